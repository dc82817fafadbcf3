// VHD images (Microsoft's specification 1.0): a fixed one is a raw disk with a footer, a dynamic one has a table of blocks. Used by disk.ts.
import { Broken } from "./format.ts";
import { blocksAsOctets } from "./blocks.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";

const FOOTER = 512;
const COOKIE = "conectix";
const FIXED = 2;
const DYNAMIC = 3;
const SECTOR = 512;
const UNUSED = 0xffffffff;
const MAX_BLOCK = 64 * 1024 * 1024;

/** The disk in the image; null when it is no VHD. Throws Broken for one that cannot be read. */
export function vhdDisk(file: Octets): Octets | null {
  // A dynamic one has a copy of the footer in front; old programs wrote footers that are an octet shorter.
  for (const at of [0, file.size - FOOTER, file.size - FOOTER + 1]) {
    const footer = file.read(at, FOOTER);
    if (footer.length < FOOTER - 1 || footer.toString("latin1", 0, 8) !== COOKIE) continue;
    const type = footer.readUInt32BE(60);
    if (type === FIXED) return octetsWithin(file, 0, at === 0 ? file.size : at);
    if (type !== DYNAMIC)
      throw new Broken("vhd: differs from another image", "container-unsupported");
    return dynamicDisk(file, footer);
  }
  return null;
}

function dynamicDisk(file: Octets, footer: Buffer): Octets {
  const header = file.read(Number(footer.readBigUInt64BE(16)), 1024);
  if (header.length < 1024 || header.toString("latin1", 0, 8) !== "cxsparse")
    throw new Broken("vhd: no dynamic header");
  const table = Number(header.readBigUInt64BE(16));
  const entries = header.readUInt32BE(28);
  const block = header.readUInt32BE(32);
  if (block < SECTOR || block > MAX_BLOCK || block % SECTOR !== 0)
    throw new Broken("vhd: bad block size");
  // In front of each block stands a map of its sectors.
  const map = Math.ceil(block / SECTOR / 8 / SECTOR) * SECTOR;
  const size = Math.min(Number(footer.readBigUInt64BE(48)), entries * block);
  return blocksAsOctets(file, size, block, (index) => {
    const entry = file.read(table + index * 4, 4);
    const sector = entry.length < 4 ? UNUSED : entry.readUInt32BE(0);
    return sector === UNUSED ? null : sector * SECTOR + map;
  });
}
