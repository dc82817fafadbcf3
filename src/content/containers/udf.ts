// UDF file systems (ECMA-167, OSTA UDF 1.02 to 2.60) on images: Windows prefers them to the ISO 9660 tree beside. Used by iso.ts.
import { Broken } from "./format.ts";
import type { Member, Report } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { distinct } from "./raw-names.ts";
import { partitionsOf } from "./udf-volume.ts";
import type { LongAd, Partitions } from "./udf-volume.ts";

const SECTOR = 2048;
const FIRST = 16;
const MAX_DESCRIPTORS = 32;
const MAX_FILES = 20_000;
const MAX_DIRECTORY = 4 * 1024 * 1024;
const MAX_OCTETS = 16 * 1024 * 1024;
const MAX_EXTENTS = 20_000;
const MAX_DEPTH = 64;
const FILE_SET = 256;
const IDENTIFIER = 257;
const FILE_ENTRY = 261;
const EXTENDED_FILE_ENTRY = 266;
const IS_DIRECTORY = 0x02;
const IS_DELETED = 0x04;
const IS_PARENT = 0x08;
/** Types of an entry's ICB. */
const DIRECTORY_ENTRY = 4;
const LINK_ENTRY = 12;

/** True when the volume's descriptors tell of UDF. */
export function isUdf(file: Octets): boolean {
  for (let i = 0; i < MAX_DESCRIPTORS; i++) {
    const mark = file.read((FIRST + i) * SECTOR + 1, 5).toString("latin1");
    if (mark === "NSR02" || mark === "NSR03") return true;
    if (!["CD001", "BEA01", "BOOT2", "TEA01", "CDW02"].includes(mark)) return false;
  }
  return false;
}

/** The files of the tree. What cannot be read is told to the report. */
export function* udfMembers(file: Octets, report: Report): Generator<Member> {
  try {
    const volume = partitionsOf(file);
    const set = volume.read(volume.fileSet, SECTOR);
    if (set.length < 512 || set.readUInt16LE(0) !== FILE_SET) throw new Broken("udf: no file set");
    yield* tree(new Volume(volume), longAd(set, 400));
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    report.defect(error.kind, error.message);
  }
}

function* tree(volume: Volume, root: LongAd): Generator<Member> {
  const seen = new Set<string>([keyOf(root)]);
  const open = [{ path: "", icb: root, depth: 0 }];
  let files = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const directory = volume.entry(next.icb);
    for (const { name, icb, flags } of identifiers(volume.whole(directory))) {
      if ((flags & (IS_PARENT | IS_DELETED)) !== 0) continue;
      if (++files > MAX_FILES)
        throw new Broken("udf: too many files", "container-too-many-members");
      const path = `${next.path}${name}`;
      const entry = volume.entry(icb);
      if ((flags & IS_DIRECTORY) === 0 && entry.type !== DIRECTORY_ENTRY) {
        yield memberOf(volume, path, entry);
        continue;
      }
      yield { names: distinct([path]), what: "directory" };
      if (seen.has(keyOf(icb))) continue;
      if (next.depth === MAX_DEPTH) throw new Broken("udf: too deep", "container-too-deep");
      seen.add(keyOf(icb));
      open.push({ path: `${path}/`, icb, depth: next.depth + 1 });
    }
  }
}

const keyOf = ({ partition, block }: LongAd): string => `${partition}:${block}`;

function memberOf(volume: Volume, path: string, entry: FileEntry): Member {
  const names = distinct([path]);
  if (entry.type === LINK_ENTRY) return { names, what: "link" };
  return { names, what: "file", octets: () => volume.octets(entry) };
}

interface FileEntry {
  readonly type: number;
  readonly size: number;
  /** Octets that stand in the entry itself, else null. */
  readonly inside: Buffer | null;
  readonly extents: readonly LongAd[];
}

class Volume {
  readonly #volume: Partitions;
  /** Octets of directories that may still be read. */
  #left = MAX_OCTETS;

  constructor(volume: Partitions) {
    this.#volume = volume;
  }

  /** The file entry at this place (ECMA-167 4/14.9, 14.17). */
  entry(at: LongAd): FileEntry {
    const octets = this.#volume.read(at, SECTOR);
    const tag = octets.length < 216 ? 0 : octets.readUInt16LE(0);
    const fixed = tag === FILE_ENTRY ? 176 : tag === EXTENDED_FILE_ENTRY ? 216 : 0;
    if (fixed === 0) throw new Broken("udf: no file entry");
    const attributes = octets.readUInt32LE(fixed - 8);
    const length = octets.readUInt32LE(fixed - 4);
    const descriptors = octets.subarray(fixed + attributes, fixed + attributes + length);
    const form = octets.readUInt16LE(34) & 7;
    const size = Number(octets.readBigUInt64LE(56));
    return {
      type: octets[27]!,
      size,
      inside: form === 3 ? descriptors.subarray(0, size) : null,
      extents: form === 3 ? [] : this.#extents(descriptors, form, at.partition),
    };
  }

  /** Short (0) or long (1) allocation descriptors, and the blocks that they go on in. */
  #extents(descriptors: Buffer, form: number, partition: number): LongAd[] {
    if (form > 1) throw new Broken("udf: extended descriptors", "container-unsupported");
    const width = form === 0 ? 8 : 16;
    const extents: LongAd[] = [];
    let part = descriptors;
    for (let at = 0; at + width <= part.length && extents.length < MAX_EXTENTS; at += width) {
      const extent =
        form === 0
          ? { ...sizeAt(part, at), block: part.readUInt32LE(at + 4), partition }
          : longAd(part, at);
      if (extent.size === 0) break;
      if (extent.kind === 3) {
        // Goes on there, behind a tag, the place before and a length.
        const next = this.#volume.read(extent, SECTOR);
        if (next.length < 24) break;
        part = next.subarray(24, 24 + next.readUInt32LE(20));
        at = -width;
        this.#left -= SECTOR;
        if (this.#left < 0) throw new Broken("udf: too many extents", "container-too-large");
      } else extents.push(extent);
    }
    return extents;
  }

  *octets(entry: FileEntry): Generator<Buffer> {
    if (entry.inside !== null) {
      yield entry.inside;
      return;
    }
    let left = entry.size;
    for (const extent of entry.extents) {
      if (left <= 0) return;
      const wanted = Math.min(left, extent.size);
      left -= wanted;
      if (extent.kind !== 0) yield* zeros(wanted);
      else {
        const octets = this.#volume.extent(extent, wanted);
        yield* pieces(octetsWithin(octets, 0, wanted));
        if (octets.size < wanted) throw new Broken("udf: ends early");
      }
    }
  }

  /** All octets of a directory. */
  whole(entry: FileEntry): Buffer {
    this.#left -= entry.size;
    if (entry.size > MAX_DIRECTORY || this.#left < 0)
      throw new Broken("udf: large directory", "container-too-large");
    return Buffer.concat([...this.octets(entry)]);
  }
}

const EMPTY = Buffer.alloc(64 * 1024);

/** Blocks that were never written. */
function* zeros(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= EMPTY.length)
    yield EMPTY.subarray(0, Math.min(left, EMPTY.length));
}

/** The length of an extent, and in its two high bits what it is: 0 written, 1 and 2 not, 3 more descriptors. */
function sizeAt(octets: Buffer, at: number): { readonly size: number; readonly kind: number } {
  const length = octets.readUInt32LE(at);
  return { size: length & 0x3fffffff, kind: length >>> 30 };
}

function longAd(octets: Buffer, at: number): LongAd {
  return {
    ...sizeAt(octets, at),
    block: octets.readUInt32LE(at + 4),
    partition: octets.readUInt16LE(at + 8),
  };
}

/** The identifiers in a directory (ECMA-167 4/14.4). */
function* identifiers(
  directory: Buffer,
): Generator<{ readonly name: string; readonly icb: LongAd; readonly flags: number }> {
  for (let at = 0; at + 38 <= directory.length;) {
    if (directory.readUInt16LE(at) !== IDENTIFIER) throw new Broken("udf: bad directory");
    const length = directory[at + 19]!;
    const use = directory.readUInt16LE(at + 36);
    const name = directory.subarray(at + 38 + use, at + 38 + use + length);
    yield { name: nameOf(name), icb: longAd(directory, at + 20), flags: directory[at + 18]! };
    at += Math.ceil((38 + use + length) / 4) * 4;
  }
}

/** OSTA compressed Unicode: an octet says how many bits a character has. */
function nameOf(octets: Buffer): string {
  if (octets[0] !== 16) return octets.toString("latin1", 1);
  const even = Buffer.from(octets.subarray(1, 1 + ((octets.length - 1) & ~1)));
  return even.swap16().toString("utf16le");
}
