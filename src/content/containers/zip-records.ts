// The records of a zip file as values (PKWARE APPNOTE 4.3): local and central headers, the end of the central directory, Zip64.
// Whatever the fields say is given as it stands; zip.ts decides what to believe.
import type { Octets } from "./octets.ts";

export const LOCAL = 0x04034b50;
export const CENTRAL = 0x02014b50;
export const DESCRIPTOR = 0x08074b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;

const LOCAL_LENGTH = 30;
const CENTRAL_LENGTH = 46;
const END_LENGTH = 22;
const ZIP_64 = 1;
/** Fields of 32 and 16 bits that are full stand for those of Zip64. */
const FULL = 0xffffffff;
const FULL_16 = 0xffff;
/** An extra field has room for so many blocks in our eyes. */
const MAX_BLOCKS = 64;

/** One header of a member, local or central. */
export interface Entry {
  /** Where the header starts. */
  readonly at: number;
  /** Where the octets after header, name and extra field (and comment) start. */
  readonly end: number;
  /** Needed to unpack, with the system in the high octet. */
  readonly version: number;
  readonly flags: number;
  readonly method: number;
  readonly compressed: number;
  readonly size: number;
  readonly name: Buffer;
  /** The blocks of the extra field by id; of several with one id the first. */
  readonly extra: ReadonlyMap<number, Buffer>;
  /** Central only: where the local header should be, and on which disk. */
  readonly offset: number;
  readonly disk: number;
}

/** What ends a zip file. */
export interface End {
  readonly at: number;
  /** Behind the record and its comment. */
  readonly end: number;
  readonly entries: number;
  /** Octets of the central directory and where it should start. */
  readonly size: number;
  readonly offset: number;
  /** The number of the last disk; 0 when the archive is one file. */
  readonly disk: number;
  /** The Zip64 record in front of it, or null. */
  readonly wide: End | null;
}

export const isEncrypted = (entry: Entry): boolean => (entry.flags & 1) !== 0;
/** Sizes and checksum stand behind the octets. */
export const isStreamed = (entry: Entry): boolean => (entry.flags & 8) !== 0;

/** The local header at this place; null when there is none, or it is cut off. */
export function localAt(file: Octets, at: number): Entry | null {
  const fixed = file.read(at, LOCAL_LENGTH);
  if (fixed.length < LOCAL_LENGTH || fixed.readUInt32LE(0) !== LOCAL) return null;
  return entryOf(file, at, fixed, 6, 18, LOCAL_LENGTH);
}

/** The central header at this place; null when there is none, or it is cut off. */
export function centralAt(file: Octets, at: number): Entry | null {
  const fixed = file.read(at, CENTRAL_LENGTH);
  if (fixed.length < CENTRAL_LENGTH || fixed.readUInt32LE(0) !== CENTRAL) return null;
  return entryOf(file, at, fixed, 8, 20, CENTRAL_LENGTH);
}

/** `flags` and `sizes` are the places of these fields, `length` that of the fixed part. */
function entryOf(
  file: Octets,
  at: number,
  fixed: Buffer,
  flags: number,
  sizes: number,
  length: number,
): Entry | null {
  const central = length === CENTRAL_LENGTH;
  const nameLength = fixed.readUInt16LE(sizes + 8);
  const extraLength = fixed.readUInt16LE(sizes + 10);
  const comment = central ? fixed.readUInt16LE(32) : 0;
  const rest = file.read(at + length, nameLength + extraLength);
  if (rest.length < nameLength) return null;
  const extra = blocksOf(rest.subarray(nameLength));
  const wide = wideFields(extra.get(ZIP_64));
  const full = (field: number): number => {
    const value = fixed.readUInt32LE(field);
    return value === FULL ? (wide.next() ?? value) : value;
  };
  // In this order they stand in the Zip64 block, too.
  const size = full(sizes + 4);
  const compressed = full(sizes);
  const offset = central ? full(42) : at;
  return {
    at,
    end: at + length + nameLength + extraLength + comment,
    version: fixed.readUInt16LE(flags - 2),
    flags: fixed.readUInt16LE(flags),
    method: fixed.readUInt16LE(flags + 2),
    compressed,
    size,
    name: Buffer.from(rest.subarray(0, nameLength)),
    extra,
    offset,
    disk: central ? fixed.readUInt16LE(34) : 0,
  };
}

function blocksOf(extra: Buffer): Map<number, Buffer> {
  const blocks = new Map<number, Buffer>();
  for (let at = 0, n = 0; at + 4 <= extra.length && n < MAX_BLOCKS; n++) {
    const id = extra.readUInt16LE(at);
    const length = extra.readUInt16LE(at + 2);
    if (!blocks.has(id)) blocks.set(id, Buffer.from(extra.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return blocks;
}

function wideFields(block: Buffer | undefined): { next(): number | null } {
  let at = 0;
  return {
    next() {
      if (block === undefined || at + 8 > block.length) return null;
      at += 8;
      return Number(block.readBigUInt64LE(at - 8));
    },
  };
}

/** How far before the end of the file readers look for the record: its comment may have 65,535 octets, others lie behind it. */
const END_REACH = 256 * 1024;
const MAX_ENDS = 16;

/** The end records, the last first. */
export function endsOf(file: Octets): End[] {
  const start = Math.max(0, file.size - END_REACH);
  const tail = file.read(start, END_REACH);
  const mark = Buffer.from([0x50, 0x4b, 5, 6]);
  const found: End[] = [];
  for (let at = tail.length; found.length < MAX_ENDS;) {
    at = at <= 0 ? -1 : tail.lastIndexOf(mark, at - 1);
    if (at < 0) break;
    const end = endAt(file, start + at);
    if (end !== null) found.push(end);
  }
  return found;
}

function endAt(file: Octets, at: number): End | null {
  const fixed = file.read(at, END_LENGTH);
  if (fixed.length < END_LENGTH || fixed.readUInt32LE(0) !== END) return null;
  const disk = fixed.readUInt16LE(4);
  return {
    at,
    end: at + END_LENGTH + fixed.readUInt16LE(20),
    entries: fixed.readUInt16LE(10),
    size: fixed.readUInt32LE(12),
    offset: fixed.readUInt32LE(16),
    disk: disk === FULL_16 ? 0 : disk,
    wide: wideEnd(file, at),
  };
}

/** The Zip64 record, found through the locator in front of the end record. */
function wideEnd(file: Octets, end: number): End | null {
  const locator = file.read(end - 20, 20);
  if (locator.length < 20 || locator.readUInt32LE(0) !== LOCATOR_64) return null;
  // Where the locator says, or, with something in front of the archive, right before the locator.
  for (const at of [Number(locator.readBigUInt64LE(8)), end - 20 - 56]) {
    const fixed = file.read(at, 56);
    if (fixed.length < 56 || fixed.readUInt32LE(0) !== END_64) continue;
    return {
      at,
      end: at + 12 + Number(fixed.readBigUInt64LE(4)),
      entries: Number(fixed.readBigUInt64LE(32)),
      size: Number(fixed.readBigUInt64LE(40)),
      offset: Number(fixed.readBigUInt64LE(48)),
      disk: fixed.readUInt32LE(16),
      wide: null,
    };
  }
  return null;
}
