// Compound files (MS-CFB versions 3 and 4): a small file system in a file, which holds Word, Excel, PowerPoint, Outlook messages,
// installer packages. Gives all storages and streams, those that no directory tree reaches included. Chains are followed only as
// far as somebody reads, and no stream is longer than the file: cycles and lies cost no more than honest files.
import { Broken } from "./format.ts";
import type { Octets } from "./octets.ts";

export interface Entry {
  /** As it stands in the directory, at most 31 UTF-16 units; control characters occur ("\x01Ole10Native"). */
  readonly name: string;
  readonly what: "root" | "storage" | "stream";
  /** The storage around it; null for the root, and for what the tree does not reach. */
  readonly parent: Entry | null;
  /** Class identifier as 32 lower-case hex digits in file order; all zeros mostly. */
  readonly clsid: string;
  /** A stream's octets; a broken chain gives fewer than its size. Storages have none. */
  readonly octets: Octets;
}

/** A directory of more entries than this is read up to here. */
export const MAX_ENTRIES = 65_536;
const ENTRY = 128;
const HEADER_SECTORS = 109;
/** Sector numbers from here on are marks: end of chain, free, … */
const LAST_SECTOR = 0xfffffffa;
const WHATS: Readonly<Record<number, Entry["what"]>> = { 1: "storage", 2: "stream", 5: "root" };
const NONE = Buffer.alloc(0);

/**
 * All entries in the order of the directory, the root first. `trouble` is told of each kind of lie. Throws Broken when there is no
 * directory to read.
 */
export function compoundEntries(file: Octets, trouble: (detail: string) => void): readonly Entry[] {
  const header = file.read(0, 512);
  if (header.length < 512) throw new Broken("cut in its header");
  const shift = header.readUInt16LE(30);
  const miniShift = header.readUInt16LE(32);
  if (shift < 7 || shift > 16 || miniShift < 4 || miniShift >= shift)
    throw new Broken(`sectors of 2^${shift} and 2^${miniShift} octets`);
  const sectors = sectorsOf(file, header, shift, trouble);
  const long = header.readUInt16LE(26) >= 4;
  const table = directory(sectors.chain(header.readUInt32LE(48), file.size), trouble);
  const root = table[0];
  if (root === undefined || root === null) throw new Broken("the directory has no root");
  const miniStream = sectors.chain(root.start, sizeOf(root, long, file.size));
  const miniTable = sectors.chain(header.readUInt32LE(60), file.size);
  const cutoff = header.readUInt32LE(56);
  if (cutoff !== 4_096) trouble(`short streams end at ${cutoff} octets`);
  const open = (raw: Raw): Octets => {
    const size = sizeOf(raw, long, file.size);
    if (raw.size > size && raw.what === "stream") trouble("a stream is longer than the file");
    if (size >= cutoff) return sectors.chain(raw.start, size);
    return new Chain(miniStream, miniShift, 0, (of) => word(miniTable, of), raw.start, size);
  };
  return tree(table, open, trouble);
}

interface Sectors {
  chain(first: number, size: number): Octets;
}

function sectorsOf(
  file: Octets,
  header: Buffer,
  shift: number,
  trouble: (detail: string) => void,
): Sectors {
  const sector = 1 << shift;
  const count = Math.ceil(file.size / sector);
  // Each sector of the table describes sector/4 others: more of them than that describe nothing.
  const most = Math.ceil((count * 4) / sector) + 1;
  const fat: number[] = [];
  const add = (from: Buffer, words: number): void => {
    for (let i = 0; i < words && fat.length < most; i++) {
      if (i * 4 + 4 > from.length) return trouble("its sector table is cut");
      fat.push(from.readUInt32LE(i * 4));
    }
  };
  add(header.subarray(76), HEADER_SECTORS);
  let at = header.readUInt32LE(68);
  for (let i = 0; at < LAST_SECTOR && fat.length < most && i <= count; i++) {
    const more = file.read((at + 1) * sector, sector);
    if (more.length < sector) {
      trouble("its sector table is cut");
      break;
    }
    add(more, sector / 4 - 1);
    at = more.readUInt32LE(sector - 4);
  }
  const perSector = sector / 4;
  let read = -1;
  let numbers: Buffer = NONE;
  const next = (of: number): number => {
    const place = fat[Math.floor(of / perSector)];
    if (place === undefined || place >= LAST_SECTOR) return LAST_SECTOR;
    if (place !== read) numbers = file.read((place + 1) * sector, sector);
    read = place;
    const at = (of % perSector) * 4;
    return at + 4 <= numbers.length ? numbers.readUInt32LE(at) : LAST_SECTOR;
  };
  return { chain: (first, size) => new Chain(file, shift, 1, next, first, size) };
}

function word(from: Octets, index: number): number {
  const found = from.read(index * 4, 4);
  return found.length === 4 ? found.readUInt32LE(0) : LAST_SECTOR;
}

/** A chain of sectors as octets; `skip` sectors stand before sector 0 (the header). */
class Chain implements Octets {
  readonly size: number;
  readonly #from: Octets;
  readonly #sector: number;
  readonly #skip: number;
  readonly #next: (of: number) => number;
  /** The sectors known so far; the last may be a mark, then the chain is over. */
  readonly #sectors: number[];

  constructor(
    from: Octets,
    shift: number,
    skip: number,
    next: (of: number) => number,
    first: number,
    size: number,
  ) {
    this.size = size;
    this.#from = from;
    this.#sector = 1 << shift;
    this.#skip = skip;
    this.#next = next;
    this.#sectors = [first];
  }

  read(at: number, length: number): Buffer {
    if (!(at >= 0 && at < this.size && length > 0)) return NONE;
    const sector = this.#sector;
    const end = Math.min(this.size, at + length);
    const found: Buffer[] = [];
    let from = at;
    while (from < end) {
      const index = Math.floor(from / sector);
      const first = this.#number(index);
      if (first < 0) break;
      // Sectors that follow one another are read at once.
      let run = 1;
      while ((index + run) * sector < end && this.#number(index + run) === first + run) run++;
      const want = Math.min(end, (index + run) * sector) - from;
      const piece = this.#from.read((first + this.#skip - index) * sector + from, want);
      found.push(piece);
      from += want;
      if (piece.length < want) break;
    }
    return found.length === 1 ? found[0]! : Buffer.concat(found);
  }

  /** The number of the chain's `index`th sector, -1 when the chain is shorter. */
  #number(index: number): number {
    const sectors = this.#sectors;
    while (sectors.length <= index) {
      const last = sectors.at(-1)!;
      if (last >= LAST_SECTOR) return -1;
      sectors.push(this.#next(last));
    }
    const found = sectors[index]!;
    return found >= LAST_SECTOR ? -1 : found;
  }
}

interface Raw {
  readonly name: string;
  readonly what: Entry["what"];
  readonly left: number;
  readonly right: number;
  readonly child: number;
  readonly clsid: string;
  readonly start: number;
  readonly size: number;
}

function directory(from: Octets, trouble: (detail: string) => void): (Raw | null)[] {
  const found: (Raw | null)[] = [];
  for (let at = 0; ; at += ENTRY) {
    const entry = from.read(at, ENTRY);
    if (entry.length < ENTRY) return found;
    if (found.length >= MAX_ENTRIES) {
      trouble(`more than ${MAX_ENTRIES} entries`);
      return found;
    }
    const what = at === 0 && entry[66] !== 0 ? "root" : WHATS[entry[66]!];
    const length = Math.min(64, entry.readUInt16LE(64));
    found.push(
      what === undefined
        ? null
        : {
            name: entry.toString("utf16le", 0, length & ~1).replace(/\0[^]*$/, ""),
            what,
            left: entry.readUInt32LE(68),
            right: entry.readUInt32LE(72),
            child: entry.readUInt32LE(76),
            clsid: entry.toString("hex", 80, 96),
            start: entry.readUInt32LE(116),
            size: entry.readUInt32LE(120) + entry.readUInt32LE(124) * 2 ** 32,
          },
    );
  }
}

/** Version 3 keeps 32 bits of a size, whatever stands in the others. */
function sizeOf({ size }: Raw, long: boolean, most: number): number {
  return Math.min(long ? size : size % 2 ** 32, most);
}

function tree(
  table: readonly (Raw | null)[],
  open: (raw: Raw) => Octets,
  trouble: (detail: string) => void,
): Entry[] {
  const made = new Array<Entry | undefined>(table.length);
  const make = (index: number, parent: Entry | null): Entry | null => {
    const raw = table[index];
    if (raw === undefined || raw === null || made[index] !== undefined) return null;
    const octets = raw.what === "stream" ? open(raw) : { size: 0, read: (): Buffer => NONE };
    const { name, what, clsid } = raw;
    return (made[index] = { name, what, parent, clsid, octets });
  };
  const root = make(0, null)!;
  const waiting: [number, Entry][] = [[table[0]!.child, root]];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const [index, parent] = one;
    const entry = make(index, parent);
    if (entry === null) continue;
    const { left, right, child } = table[index]!;
    waiting.push([right, parent], [left, parent]);
    if (entry.what !== "stream") waiting.push([child, entry]);
  }
  for (let index = 1; index < table.length; index++) {
    if (make(index, null) !== null) trouble("entries that its directory tree does not reach");
  }
  return made.filter((entry) => entry !== undefined);
}
