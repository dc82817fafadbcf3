// Records of NTFS' master file table, their attributes, and where the octets of those lie. Used by ntfs.ts.
import { Broken } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";

const MAX_ATTRIBUTES = 256;
const MAX_RUNS = 20_000;
const END = 0xffffffff;

/** Sizes in octets. */
export interface Geometry {
  readonly sector: number;
  readonly cluster: number;
  readonly record: number;
  /** Where the table begins. */
  readonly table: number;
}

export interface Attribute {
  readonly type: number;
  readonly name: string;
  readonly flags: number;
  readonly size: number;
  /** Its octets when they stand in the record, else null. */
  readonly inside: Buffer | null;
  /** Else the list of runs. */
  readonly runs: Buffer | null;
  /** Number of its first cluster: not 0 when it began in another record. */
  readonly first: number;
}

/** The record with the ends of its sectors put right; null when it is none. */
export function recordFrom(octets: Buffer, { sector, record }: Geometry): Buffer | null {
  if (octets.length < record || octets.toString("latin1", 0, 4) !== "FILE") return null;
  const at = octets.readUInt16LE(4);
  const count = octets.readUInt16LE(6);
  const right = Buffer.from(octets);
  // The last two octets of each sector stand behind a check value.
  for (let i = 1; i < count && i * sector <= record && at + i * 2 + 2 <= record; i++)
    octets.copy(right, i * sector - 2, at + i * 2, at + i * 2 + 2);
  return right;
}

/** The attributes of a record, as far as they can be read. */
export function attributesOf(record: Buffer): Attribute[] {
  const attributes: Attribute[] = [];
  let at = record.readUInt16LE(20);
  while (at + 24 <= record.length && attributes.length < MAX_ATTRIBUTES) {
    const type = record.readUInt32LE(at);
    const length = record.readUInt32LE(at + 4);
    if (type === END || length < 24 || at + length > record.length) break;
    const attribute = attributeFrom(record.subarray(at, at + length), type);
    if (attribute !== null) attributes.push(attribute);
    at += length;
  }
  return attributes;
}

function attributeFrom(octets: Buffer, type: number): Attribute | null {
  const nameAt = octets.readUInt16LE(10);
  const name = octets.toString("utf16le", nameAt, nameAt + octets[9]! * 2);
  const flags = octets.readUInt16LE(12);
  if (octets[8] === 0) {
    const at = octets.readUInt16LE(20);
    const inside = octets.subarray(at, at + octets.readUInt32LE(16));
    return { type, name, flags, size: inside.length, inside, runs: null, first: 0 };
  }
  if (octets.length < 64) return null;
  const runs = octets.subarray(octets.readUInt16LE(32));
  const size = Number(octets.readBigUInt64LE(48));
  const first = Number(octets.readBigUInt64LE(16));
  return { type, name, flags, size, inside: null, runs, first };
}

/** The octets of an attribute in pieces. Throws Broken at the damage. */
export function* octetsOf(
  volume: Octets,
  { cluster }: Geometry,
  attribute: Attribute,
): Generator<Buffer> {
  const { inside, runs, size, first } = attribute;
  if (inside !== null) yield inside;
  if (runs === null) return;
  // One that began elsewhere does not know its size.
  let left = first > 0 ? Infinity : size;
  for (const { at, length } of runsIn(runs)) {
    const wanted = Math.min(left, length * cluster);
    left -= wanted;
    if (at === null) yield* zeros(wanted);
    else {
      const octets = octetsWithin(volume, at * cluster, wanted);
      yield* pieces(octets);
      if (octets.size < wanted) throw new Broken("ntfs: ends early");
    }
    if (left <= 0) return;
  }
}

/** Runs of clusters: how many, and where from the one before; null for a hole. */
function* runsIn(runs: Buffer): Generator<{ readonly at: number | null; readonly length: number }> {
  let cluster = 0;
  let place = 0;
  for (let i = 0; i < MAX_RUNS && place < runs.length; i++) {
    const head = runs[place++]!;
    const lengthWidth = head & 15;
    const placeWidth = head >> 4;
    if (head === 0) return;
    const end = place + lengthWidth + placeWidth;
    if (lengthWidth === 0 || lengthWidth > 6 || placeWidth > 6 || end > runs.length)
      throw new Broken("ntfs: bad runs");
    const length = runs.readUIntLE(place, lengthWidth);
    if (placeWidth === 0) yield { at: null, length };
    else {
      cluster += runs.readIntLE(place + lengthWidth, placeWidth);
      yield { at: cluster, length };
    }
    place = end;
  }
}

const EMPTY = Buffer.alloc(64 * 1024);

function* zeros(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= EMPTY.length)
    yield EMPTY.subarray(0, Math.min(left, EMPTY.length));
}
