// VHDX images ([MS-VHDX]): regions hold metadata and a table of blocks. What still stands in the log is not replayed. Used by disk.ts.
import { Broken } from "./format.ts";
import { blocksAsOctets } from "./blocks.ts";
import type { Octets } from "./octets.ts";

const REGION_TABLES = [192 * 1024, 256 * 1024];
const MAX_REGIONS = 2047;
const MAX_METADATA = 2047;
const MEGABYTE = 1024 * 1024;
/** GUIDs as they stand in the file. */
const BLOCKS = "6677c22d23f600429d64115e9bfd4a08";
const METADATA = "06a27c8b90479a4bb8fe575f050f886e";
const FILE_PARAMETERS = "3767a1ca36fa434db3b633f0aa44e76b";
const DISK_SIZE = "2442a52f1bcd7648b2115dbed83bf4b8";
const SECTOR_SIZE = "1dbf41816fa90947ba47f233a8faab5f";
const HAS_PARENT = 2;
/** States of a block that has octets. */
const PRESENT = 6;
const PARTLY_PRESENT = 7;

/** The disk in the image; null when it is no VHDX. Throws Broken for one that cannot be read. */
export function vhdxDisk(file: Octets): Octets | null {
  if (file.read(0, 8).toString("latin1") !== "vhdxfile") return null;
  const regions = regionsOf(file);
  const table = regions.get(BLOCKS);
  const metadata = regions.get(METADATA);
  if (table === undefined || metadata === undefined) throw new Broken("vhdx: no regions");
  const values = metadataOf(file, metadata);
  const parameters = values.get(FILE_PARAMETERS);
  const size = values.get(DISK_SIZE);
  const sector = values.get(SECTOR_SIZE)?.readUInt32LE(0) ?? 512;
  if (parameters === undefined || size === undefined) throw new Broken("vhdx: no parameters");
  if ((parameters.readUInt32LE(4) & HAS_PARENT) !== 0)
    throw new Broken("vhdx: differs from another image", "container-unsupported");
  const block = parameters.readUInt32LE(0);
  if (block < MEGABYTE || block > 256 * MEGABYTE || (sector !== 512 && sector !== 4096))
    throw new Broken("vhdx: bad block size");
  // Behind so many entries stands one for a map of sectors.
  const chunk = Math.floor((2 ** 23 * sector) / block);
  return blocksAsOctets(file, Number(size.readBigUInt64LE(0)), block, (index) => {
    const entry = file.read(table + (index + Math.floor(index / chunk)) * 8, 8);
    if (entry.length < 8) return null;
    const state = entry[0]! & 7;
    if (state !== PRESENT && state !== PARTLY_PRESENT) return null;
    return Number(entry.readBigUInt64LE(0) >> 20n) * MEGABYTE;
  });
}

/** Where the regions begin, by GUID. */
function regionsOf(file: Octets): Map<string, number> {
  for (const at of REGION_TABLES) {
    const header = file.read(at, 16);
    if (header.length < 16 || header.toString("latin1", 0, 4) !== "regi") continue;
    const count = Math.min(MAX_REGIONS, header.readUInt32LE(8));
    const regions = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const entry = file.read(at + 16 + i * 32, 32);
      if (entry.length < 32) break;
      regions.set(entry.toString("hex", 0, 16), Number(entry.readBigUInt64LE(16)));
    }
    return regions;
  }
  throw new Broken("vhdx: no region table");
}

/** The first octets of each item, by GUID. */
function metadataOf(file: Octets, at: number): Map<string, Buffer> {
  const header = file.read(at, 32);
  if (header.length < 32 || header.toString("latin1", 0, 8) !== "metadata")
    throw new Broken("vhdx: no metadata");
  const count = Math.min(MAX_METADATA, header.readUInt16LE(10));
  const values = new Map<string, Buffer>();
  for (let i = 0; i < count; i++) {
    const entry = file.read(at + 32 + i * 32, 32);
    if (entry.length < 32) break;
    const value = file.read(at + entry.readUInt32LE(16), 8);
    if (value.length === 8) values.set(entry.toString("hex", 0, 16), value);
  }
  return values;
}
