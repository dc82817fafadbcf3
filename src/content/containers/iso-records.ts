// Directory records of ISO 9660 (ECMA-119 9.1) with Rock Ridge names in their system use areas (SUSP, RRIP). Used by iso.ts.
import { Broken } from "./format.ts";
import type { Octets } from "./octets.ts";
import { distinct, namesFrom } from "./raw-names.ts";

const SECTOR = 2048;
/** Up to its name. */
const FIXED = 33;
const MAX_RECORDS = 20_000;
const MAX_OCTETS = 16 * 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_AREAS = 32;
const IS_DIRECTORY = 0x02;
const GOES_ON = 0x80;
const NAME_GOES_ON = 0x01;

export interface Extent {
  readonly at: number;
  readonly size: number;
}

export interface IsoTree {
  /** Names are UCS-2. */
  readonly wide: boolean;
  /** Octets of a block. */
  readonly block: number;
  readonly root: Extent;
}

export interface IsoRecord {
  /** Paths. */
  readonly names: readonly string[];
  readonly what: "file" | "directory" | "link";
  readonly extents: readonly Extent[];
  /** Its octets are compressed for Linux (zisofs). */
  readonly packed: boolean;
}

/** All records below the root, directories once each. Throws Broken at the damage, or when there are too many. */
export function* directoriesOf(file: Octets, tree: IsoTree): Generator<IsoRecord> {
  const seen = new Set<number>([tree.root.at]);
  const open = [{ path: "", extent: tree.root, depth: 0 }];
  const budget = { octets: MAX_OCTETS, records: MAX_RECORDS };
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const record of recordsOf(file, tree, next.extent, budget)) {
      const names = record.names.map((name) => `${next.path}${name}`);
      yield { ...record, names };
      const [extent] = record.extents;
      if (record.what !== "directory" || extent === undefined || seen.has(extent.at)) continue;
      if (next.depth === MAX_DEPTH) throw new Broken("iso: too deep", "container-too-deep");
      seen.add(extent.at);
      open.push({ path: `${names[0] ?? ""}/`, extent, depth: next.depth + 1 });
    }
  }
}

interface Budget {
  octets: number;
  records: number;
}

/** The records of one directory. Extents of one file that stand one behind the other are joined. */
function* recordsOf(
  file: Octets,
  tree: IsoTree,
  directory: Extent,
  budget: Budget,
): Generator<IsoRecord> {
  let before: Extent[] = [];
  for (const record of rawRecords(file, directory, budget)) {
    const length = record[32]!;
    const identifier = record.subarray(FIXED, FIXED + length);
    if (length === 1 && identifier[0]! <= 1) continue; // The directory itself and the one above.
    const flags = record[25]!;
    const at = (record.readUInt32LE(2) + record[1]!) * tree.block;
    const extents = [...before, { at, size: record.readUInt32LE(10) }];
    if ((flags & GOES_ON) !== 0 && extents.length < MAX_RECORDS) {
      before = extents;
      continue;
    }
    before = [];
    const area = record.subarray(FIXED + length + (length % 2 === 0 ? 1 : 0));
    const rock = tree.wide ? NOTHING : rockRidge(file, area, tree.block);
    const plain = tree.wide ? ucs2(identifier) : identifier.toString("latin1");
    const child = rock.child === null ? null : { at: rock.child * tree.block, size: SECTOR };
    const isDirectory = (flags & IS_DIRECTORY) !== 0 || child !== null;
    yield {
      names: distinct([...rock.names, withoutVersion(plain)]),
      what: rock.link ? "link" : isDirectory ? "directory" : "file",
      extents: child !== null ? [child] : extents,
      packed: rock.packed,
    };
  }
}

/** Records do not cross sectors; a length of 0 means that the next stands in the next sector. */
function* rawRecords(file: Octets, { at, size }: Extent, budget: Budget): Generator<Buffer> {
  for (let start = 0; start < size; start += SECTOR) {
    budget.octets -= SECTOR;
    const sector = file.read(at + start, Math.min(SECTOR, size - start));
    if (sector.length === 0) throw new Broken("iso: ends early");
    for (let i = 0; i < sector.length && sector[i]! > 0;) {
      const record = sector.subarray(i, i + sector[i]!);
      if (
        record.length <= FIXED ||
        record.length < sector[i]! ||
        FIXED + record[32]! > record.length
      )
        throw new Broken("iso: bad record");
      if (--budget.records < 0 || budget.octets < 0)
        throw new Broken("iso: too many records", "container-too-many-members");
      yield record;
      i += record.length;
    }
  }
}

/** "NAME.TXT;1" is NAME.TXT. */
function withoutVersion(name: string): string {
  return name.replace(/;\d{1,5}$/, "").replace(/\.$/, "");
}

function ucs2(octets: Buffer): string {
  const even = Buffer.from(octets.subarray(0, octets.length & ~1));
  return even.swap16().toString("utf16le");
}

interface RockRidge {
  readonly names: readonly string[];
  readonly link: boolean;
  readonly packed: boolean;
  /** The block of a directory that was moved elsewhere. */
  readonly child: number | null;
}

const NOTHING: RockRidge = { names: [], link: false, packed: false, child: null };

/** What the system use area of a record says, and the areas that it goes on in. */
function rockRidge(file: Octets, area: Buffer, block: number): RockRidge {
  const name: Buffer[] = [];
  let link = false;
  let packed = false;
  let child: number | null = null;
  let next: Buffer | null = area;
  for (let areas = 0; next !== null && areas < MAX_AREAS; areas++) {
    const entries: Buffer = next;
    next = null;
    for (let at = 0; at + 4 <= entries.length;) {
      const length = entries[at + 2]!;
      if (length < 4) break;
      const entry = entries.subarray(at, at + length);
      const signature = entry.toString("latin1", 0, 2);
      at += length;
      if (signature === "NM" && entry.length > 5) name.push(entry.subarray(5));
      else if (signature === "SL") link = true;
      else if (signature === "ZF") packed = true;
      else if (signature === "CL" && entry.length >= 8) child = entry.readUInt32LE(4);
      else if (signature === "CE" && entry.length >= 24)
        next = file.read(
          entry.readUInt32LE(4) * block + entry.readUInt32LE(12),
          Math.min(SECTOR, entry.readUInt32LE(20)),
        );
      else if (signature === "ST") break;
      if (signature === "NM" && (entry[4]! & ~NAME_GOES_ON) !== 0) name.pop(); // "." and "..".
    }
  }
  return { names: namesFrom(Buffer.concat(name)), link, packed, child };
}
