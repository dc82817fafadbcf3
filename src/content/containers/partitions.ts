// The volumes of a disk: the whole of it, or what its partition table (MBR, GPT) tells. Used by disk.ts.
import { isFat } from "./fat.ts";
import { isNtfs } from "./ntfs.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";

const SECTOR = 512;
const TABLE = 446;
const ENTRY = 16;
const PROTECTIVE = 0xee;
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
const MAX_EXTENDED = 32;
const MAX_GPT = 128;
/** Small, and without a file system: reserved for Windows. */
const RESERVED = "16e3c9e35c0bb84d817df92df00215ae";

/** In the order of the disk; none when there is nothing that looks like one. */
export function* volumesOf(disk: Octets): Generator<Octets> {
  if (isFat(disk) || isNtfs(disk) || disk.read(3, 8).toString("latin1") === "EXFAT   ") {
    yield disk;
    return;
  }
  const entries = tableAt(disk, 0);
  if (entries.some(({ type }) => type === PROTECTIVE)) {
    yield* gptVolumes(disk);
    return;
  }
  for (const { type, start, size } of entries) {
    if (EXTENDED.has(type)) yield* extendedVolumes(disk, start);
    else yield octetsWithin(disk, start, size);
  }
}

interface Partition {
  readonly type: number;
  /** In octets. */
  readonly start: number;
  readonly size: number;
}

/** The partitions that the table in the sector at `at` tells, with places from there. */
function tableAt(disk: Octets, at: number): Partition[] {
  const sector = disk.read(at, SECTOR);
  if (sector.length < SECTOR || sector.readUInt16BE(510) !== 0x55aa) return [];
  const partitions: Partition[] = [];
  for (let i = TABLE; i < TABLE + 4 * ENTRY; i += ENTRY) {
    const type = sector[i + 4]!;
    const start = sector.readUInt32LE(i + 8) * SECTOR;
    const size = sector.readUInt32LE(i + 12) * SECTOR;
    if (type !== 0 && size > 0) partitions.push({ type, start, size });
  }
  return partitions;
}

/** Each link of the chain has a table of one volume, and of the next link, counted from the first. */
function* extendedVolumes(disk: Octets, first: number): Generator<Octets> {
  let at = first;
  for (let i = 0; i < MAX_EXTENDED; i++) {
    let next: number | null = null;
    for (const { type, start, size } of tableAt(disk, at)) {
      if (EXTENDED.has(type)) next = first + start;
      else yield octetsWithin(disk, at + start, size);
    }
    if (next === null) return;
    at = next;
  }
}

function* gptVolumes(disk: Octets): Generator<Octets> {
  const header = disk.read(SECTOR, 92);
  if (header.toString("latin1", 0, 8) !== "EFI PART") return;
  const table = Number(header.readBigUInt64LE(72)) * SECTOR;
  const count = Math.min(MAX_GPT, header.readUInt32LE(80));
  const width = header.readUInt32LE(84);
  if (width < 128 || width > 4096) return;
  for (let i = 0; i < count; i++) {
    const entry = disk.read(table + i * width, 128);
    if (entry.length < 128) return;
    const type = entry.toString("hex", 0, 16);
    if (/^0+$/.test(type) || type === RESERVED) continue;
    const start = Number(entry.readBigUInt64LE(32)) * SECTOR;
    yield octetsWithin(disk, start, (Number(entry.readBigUInt64LE(40)) + 1) * SECTOR - start);
  }
}
