// Cpio archives in their four forms: new ASCII with and without checksum, old ASCII, and binary in either byte order. Also what rpm
// packages hold.
import { Broken } from "./format.ts";
import type { Format, Member } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";

const MAX_NAME = 64 * 1024;
const TRAILER = "TRAILER!!!";
const ZEROS = 64 * 1024;
/** The file's type in its mode. */
const TYPE = 0o170000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;
const REGULAR = 0o100000;

export const cpio: Format = {
  name: "cpio",
  kinds: ["cpio"],
  extensions: ["cpio"],
  *members(file, report) {
    let at = 0;
    let trailers = 0;
    while (at < file.size) {
      const entry = entryAt(file, at);
      if (entry === null) {
        if (trailers === 0) throw new Broken("cpio: bad header");
        return report.defect("container-trailing-data");
      }
      at = entry.next;
      if (entry.name !== TRAILER) yield memberOf(file, entry, trailers > 0);
      // Others may follow, as the kernel reads them; most readers stop here.
      else if (++trailers > 0) at = afterZeros(file, at);
    }
    if (trailers === 0) throw new Broken("cpio: cut off");
  },
};

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly data: number;
  readonly size: number;
  /** Where the next header starts. */
  readonly next: number;
}

function memberOf(file: Octets, { name, mode, data, size }: Entry, hidden: boolean): Member {
  const type = mode & TYPE;
  const what = type === DIRECTORY ? "directory" : type === LINK ? "link" : "special";
  const isFile = type === REGULAR || type === 0;
  return {
    names: name === "" ? [] : [name],
    what: isFile ? "file" : what,
    defects: hidden ? [{ kind: "container-hidden-member" }] : [],
    ...(isFile && {
      *octets() {
        yield* pieces(octetsWithin(file, data, size));
        if (data + size > file.size) throw new Broken("cpio: cut off");
      },
    }),
  };
}

/** The entry at this place; null when there is none. */
function entryAt(file: Octets, at: number): Entry | null {
  const mark = file.read(at, 6);
  if (mark.length < 6) return null;
  const ascii = mark.toString("latin1");
  if (ascii === "070701" || ascii === "070702") return newEntry(file, at);
  if (ascii === "070707") return oldEntry(file, at);
  if (mark.readUInt16LE(0) === 0o070707) return binaryEntry(file, at, false);
  return mark.readUInt16BE(0) === 0o070707 ? binaryEntry(file, at, true) : null;
}

/** Thirteen numbers of eight hexadecimal digits; name and octets end at multiples of four from the header. */
function newEntry(file: Octets, at: number): Entry | null {
  const head = file.read(at, 110).toString("latin1");
  const number = (index: number): number => hex(head.slice(6 + index * 8, 14 + index * 8));
  const [mode, size, nameSize] = [number(1), number(6), number(11)];
  const aligned = (place: number): number => at + Math.ceil((place - at) / 4) * 4;
  return entry(file, mode, at + 110, nameSize, size, aligned);
}

/** Octal digits, and nothing is aligned. */
function oldEntry(file: Octets, at: number): Entry | null {
  const head = file.read(at, 76).toString("latin1");
  const number = (from: number, to: number): number => octal(head.slice(from, to));
  return entry(file, number(18, 24), at + 76, number(59, 65), number(65, 76), (place) => place);
}

/** Words of 16 bits; a number of 32 has its high word first. */
function binaryEntry(file: Octets, at: number, big: boolean): Entry | null {
  const head = file.read(at, 26);
  if (head.length < 26) return null;
  const word = (place: number): number =>
    big ? head.readUInt16BE(place) : head.readUInt16LE(place);
  const size = word(22) * 65_536 + word(24);
  const aligned = (place: number): number => at + Math.ceil((place - at) / 2) * 2;
  return entry(file, word(6), at + 26, word(20), size, aligned);
}

function entry(
  file: Octets,
  mode: number,
  nameAt: number,
  nameSize: number,
  size: number,
  aligned: (place: number) => number,
): Entry | null {
  if (!(nameSize >= 1 && nameSize <= MAX_NAME && size >= 0 && mode >= 0)) return null;
  const name = file.read(nameAt, nameSize);
  if (name.length < nameSize) return null;
  const data = aligned(nameAt + nameSize);
  return {
    name: name.toString("utf8", 0, nameSize - 1),
    mode,
    data,
    size,
    next: aligned(data + size),
  };
}

const hex = (digits: string): number =>
  /^[\da-f]{8}$/i.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
const octal = (digits: string): number =>
  /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;

function afterZeros(file: Octets, from: number): number {
  for (let at = from; at < file.size; at += ZEROS) {
    const other = file.read(at, ZEROS).findIndex((octet) => octet !== 0);
    if (other >= 0) return at + other;
  }
  return file.size;
}
