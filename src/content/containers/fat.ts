// FAT12, FAT16 and FAT32 volumes: the files in all directories, under their long and short names. Used by disk.ts.
import { Broken } from "./format.ts";
import type { Member } from "./format.ts";
import type { Octets } from "./octets.ts";
import { distinct } from "./raw-names.ts";

const ENTRY = 32;
const MAX_ENTRIES = 50_000;
const MAX_DEPTH = 64;
const DELETED = 0xe5;
const LABEL = 0x08;
const DIRECTORY = 0x10;
const LONG_NAME = 0x0f;
/** Where a long name's 13 characters stand in its entry. */
const LONG_PARTS = [
  [1, 11],
  [14, 26],
  [28, 32],
] as const;
const MAX_LONG = 20;

/** True when the boot sector describes such a volume. */
export function isFat(volume: Octets): boolean {
  return layoutOf(volume) !== null;
}

interface Layout {
  readonly bits: 12 | 16 | 32;
  readonly cluster: number;
  /** Where the table, the root directory of FAT12 and FAT16, and the first cluster (number 2) begin. */
  readonly table: number;
  readonly root: number;
  readonly rootSize: number;
  readonly data: number;
  readonly clusters: number;
  /** FAT32: the cluster of the root directory. */
  readonly rootCluster: number;
}

function layoutOf(volume: Octets): Layout | null {
  const boot = volume.read(0, 512);
  if (boot.length < 512 || (boot[0] !== 0xeb && boot[0] !== 0xe9)) return null;
  const sector = boot.readUInt16LE(11);
  const perCluster = boot[13]!;
  const reserved = boot.readUInt16LE(14);
  const tables = boot[16]!;
  const perTable = boot.readUInt16LE(22) || boot.readUInt32LE(36);
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const known =
    [512, 1024, 2048, 4096].includes(sector) && [1, 2, 4, 8, 16, 32, 64, 128].includes(perCluster);
  if (!known || reserved === 0 || tables === 0 || tables > 4 || perTable === 0) return null;
  const rootSize = Math.ceil((boot.readUInt16LE(17) * ENTRY) / sector) * sector;
  const root = (reserved + tables * perTable) * sector;
  const cluster = perCluster * sector;
  const clusters = Math.floor((sectors * sector - root - rootSize) / cluster);
  if (clusters < 1) return null;
  return {
    bits: rootSize === 0 ? 32 : clusters < 4085 ? 12 : 16,
    cluster,
    table: reserved * sector,
    root,
    rootSize,
    data: root + rootSize,
    clusters,
    rootCluster: boot.readUInt32LE(44),
  };
}

/** The files and directories. Throws Broken at the damage, or when there are too many. */
export function* fatMembers(volume: Octets): Generator<Member> {
  const layout = layoutOf(volume);
  if (layout === null) throw new Broken("fat: no boot sector");
  const fat = new Fat(volume, layout);
  const seen = new Set<number>();
  const open = [{ path: "", cluster: layout.bits === 32 ? layout.rootCluster : 0, depth: 0 }];
  let entries = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const entry of fat.directory(next.cluster)) {
      if (++entries > MAX_ENTRIES)
        throw new Broken("fat: too many entries", "container-too-many-members");
      const names = entry.names.map((name) => `${next.path}${name}`);
      if (!entry.directory) {
        yield { names, what: "file", octets: () => fat.octets(entry.cluster, entry.size) };
        continue;
      }
      yield { names, what: "directory" };
      if (entry.cluster === 0 || seen.has(entry.cluster)) continue;
      if (next.depth === MAX_DEPTH) throw new Broken("fat: too deep", "container-too-deep");
      seen.add(entry.cluster);
      open.push({ path: `${names[0] ?? ""}/`, cluster: entry.cluster, depth: next.depth + 1 });
    }
  }
}

interface FatEntry {
  readonly names: readonly string[];
  readonly directory: boolean;
  readonly cluster: number;
  readonly size: number;
}

class Fat {
  readonly #volume: Octets;
  readonly #layout: Layout;

  constructor(volume: Octets, layout: Layout) {
    this.#volume = volume;
    this.#layout = layout;
  }

  /** The entries of the directory that begins at this cluster; 0: the root of FAT12 and FAT16. */
  *directory(first: number): Generator<FatEntry> {
    const long = new LongName();
    for (const piece of first === 0 ? this.#root() : this.#clusters(first)) {
      for (let at = 0; at + ENTRY <= piece.length; at += ENTRY) {
        const entry = piece.subarray(at, at + ENTRY);
        if (entry[0] === 0) return;
        if (entry[0] === DELETED) continue;
        const attributes = entry[11]!;
        if ((attributes & 0x3f) === LONG_NAME) {
          long.add(entry);
          continue;
        }
        const names = distinct([long.take(), shortName(entry)]);
        if ((attributes & LABEL) !== 0 || entry[0] === 0x2e) continue; // "." and ".." too.
        yield {
          names,
          directory: (attributes & DIRECTORY) !== 0,
          cluster:
            entry.readUInt16LE(26) +
            (this.#layout.bits === 32 ? entry.readUInt16LE(20) * 65_536 : 0),
          size: entry.readUInt32LE(28),
        };
      }
    }
  }

  *octets(first: number, size: number): Generator<Buffer> {
    let left = size;
    if (left === 0) return;
    for (const piece of this.#clusters(first)) {
      yield piece.subarray(0, left);
      left -= piece.length;
      if (left <= 0) return;
    }
    throw new Broken("fat: ends early");
  }

  *#root(): Generator<Buffer> {
    const { root, rootSize } = this.#layout;
    yield this.#volume.read(root, rootSize);
  }

  /** The octets of a chain of clusters, which may not be longer than there are clusters. */
  *#clusters(first: number): Generator<Buffer> {
    const { cluster, data, clusters } = this.#layout;
    let number = first;
    for (let i = 0; i < clusters && number >= 2 && number < clusters + 2; i++) {
      const octets = this.#volume.read(data + (number - 2) * cluster, cluster);
      if (octets.length === 0) throw new Broken("fat: ends early");
      yield octets;
      number = this.#next(number);
    }
  }

  /** The number that stands in the table for this cluster; the marks of the end are larger than any. */
  #next(number: number): number {
    const { bits, table } = this.#layout;
    if (bits === 32) return this.#number(table + number * 4, 4) & 0x0fffffff;
    if (bits === 16) return this.#number(table + number * 2, 2);
    const pair = this.#number(table + number + (number >> 1), 2);
    return number % 2 === 0 ? pair & 0xfff : pair >> 4;
  }

  #number(at: number, width: number): number {
    const octets = this.#volume.read(at, width);
    if (octets.length < width) throw new Broken("fat: ends early");
    return octets.readUIntLE(0, width);
  }
}

/** A long name stands in entries before the short one, its end first. */
class LongName {
  #parts: string[] = [];

  add(entry: Buffer): void {
    if ((entry[0]! & 0x40) !== 0 || this.#parts.length === MAX_LONG) this.#parts = [];
    this.#parts.unshift(
      LONG_PARTS.map(([from, to]) => entry.toString("utf16le", from, to)).join(""),
    );
  }

  /** "" when there is none. */
  take(): string {
    const name = this.#parts.join("");
    this.#parts = [];
    const end = name.indexOf("\0");
    return end < 0 ? name : name.slice(0, end);
  }
}

function shortName(entry: Buffer): string {
  const first = entry[0] === 0x05 ? "\xe5" : entry.toString("latin1", 0, 1);
  const stem = `${first}${entry.toString("latin1", 1, 8)}`.trimEnd();
  const extension = entry.toString("latin1", 8, 11).trimEnd();
  return extension === "" ? stem : `${stem}.${extension}`;
}
