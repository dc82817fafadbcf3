// Where a UDF volume's partitions lie on the image, found from its anchor (ECMA-167 3/8, 10). Used by udf.ts.
import { Broken } from "./format.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";

const SECTOR = 2048;
const ANCHOR = 256;
const MAX_SEQUENCE = 64;
/** Tags of descriptors. */
const ANCHOR_TAG = 2;
const PARTITION_TAG = 5;
const LOGICAL_TAG = 6;
const TERMINATOR_TAG = 8;

/** An extent of a file: its size, what it is (0: octets), its first block in a partition. */
export interface LongAd {
  readonly size: number;
  readonly kind: number;
  readonly block: number;
  readonly partition: number;
}

export interface Partitions {
  /** Where the file set descriptor stands. */
  readonly fileSet: LongAd;
  /** So many octets from the start of an extent, in whatever partition it lies. */
  read(at: LongAd, length: number): Buffer;
  extent(at: LongAd, size: number): Octets;
}

/** The partitions of the volume. Throws Broken when they cannot be found, or are of a kind that is not read. */
export function partitionsOf(file: Octets): Partitions {
  const starts = new Map<number, number>();
  let maps: number[] | null = null;
  let fileSet: LongAd | null = null;
  for (const descriptor of sequenceOf(file)) {
    const tag = descriptor.readUInt16LE(0);
    if (tag === TERMINATOR_TAG) break;
    if (tag === PARTITION_TAG)
      starts.set(descriptor.readUInt16LE(22), descriptor.readUInt32LE(188) * SECTOR);
    if (tag !== LOGICAL_TAG) continue;
    if (descriptor.readUInt32LE(212) !== SECTOR)
      throw new Broken("udf: blocks of another size", "container-unsupported");
    maps = mapsOf(descriptor);
    fileSet = {
      size: descriptor.readUInt32LE(248) & 0x3fffffff,
      kind: 0,
      block: descriptor.readUInt32LE(252),
      partition: descriptor.readUInt16LE(256),
    };
  }
  if (maps === null || fileSet === null) throw new Broken("udf: no volume");
  const places = maps.map((number) => starts.get(number));
  const extent = ({ partition, block }: LongAd, size: number): Octets => {
    const start = places[partition];
    if (start === undefined) throw new Broken("udf: no such partition");
    return octetsWithin(file, start + block * SECTOR, size);
  };
  return { fileSet, extent, read: (at, length) => extent(at, length).read(0, length) };
}

/** The descriptors of the main volume descriptor sequence. */
function* sequenceOf(file: Octets): Generator<Buffer> {
  const last = Math.floor(file.size / SECTOR) - 1;
  for (const sector of [ANCHOR, last, last - ANCHOR]) {
    const anchor = file.read(sector * SECTOR, 512);
    if (anchor.length < 512 || anchor.readUInt16LE(0) !== ANCHOR_TAG) continue;
    const length = Math.min(MAX_SEQUENCE, Math.floor(anchor.readUInt32LE(16) / SECTOR));
    const start = anchor.readUInt32LE(20);
    for (let i = 0; i < length; i++) {
      const descriptor = file.read((start + i) * SECTOR, SECTOR);
      if (descriptor.length === SECTOR) yield descriptor;
    }
    return;
  }
  throw new Broken("udf: no anchor");
}

/** The partitions that a logical volume is made of, by number. Only plain ones (type 1) are read. */
function mapsOf(descriptor: Buffer): number[] {
  const count = Math.min(64, descriptor.readUInt32LE(268));
  const maps: number[] = [];
  let at = 440;
  for (let i = 0; i < count && at + 6 <= descriptor.length; i++) {
    if (descriptor[at] !== 1)
      throw new Broken("udf: a virtual or sparable partition", "container-unsupported");
    maps.push(descriptor.readUInt16LE(at + 4));
    at += Math.max(6, descriptor[at + 1]!);
  }
  return maps;
}
