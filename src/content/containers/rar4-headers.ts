// Lists the members of a RAR file of version 1.5 to 4 from its blocks. Used by rar.ts.
import { Broken } from "./format.ts";
import type { RarEvent } from "./rar.ts";
import { distinct, namesFrom } from "./raw-names.ts";
import type { Octets } from "./octets.ts";

const MARK = 7;
const HEAD = 7;
const MAIN = 0x73;
const FILE = 0x74;
const END = 0x7b;
const ADDED_SIZE = 0x8000;
/** Flags of the main block. */
const VOLUME = 0x0001;
const HEADERS_ENCRYPTED = 0x0080;
/** Flags of a file's block. */
const SPLIT = 0x0003;
const PASSWORD = 0x0004;
const LARGE = 0x0100;
const UNICODE = 0x0200;
const DIRECTORY = 0x00e0;
const FIXED = 32;
const STORED = 0x30;
const UNIX = 3;
const LINK = 0o120000;
const KIND = 0o170000;
/** What is longer is no path, and a file to those who know no links. */
const MAX_LINK = 4096;

/** The blocks of interest from the mark on. Throws Broken where they break off. */
export function* rar4Events(file: Octets): Generator<RarEvent> {
  for (let at = MARK; at < file.size;) {
    const head = file.read(at, HEAD + 4);
    if (head.length < HEAD) throw new Broken("rar: ends early");
    const type = head[2]!;
    const flags = head.readUInt16LE(3);
    const size = head.readUInt16LE(5);
    if (size < HEAD) throw new Broken("rar: bad block");
    const added = (flags & ADDED_SIZE) !== 0 && head.length === HEAD + 4 ? head.readUInt32LE(7) : 0;
    let data = added;
    if (type === MAIN) {
      if ((flags & VOLUME) !== 0) yield { is: "volume" };
      if ((flags & HEADERS_ENCRYPTED) !== 0) {
        yield { is: "encrypted" };
        return;
      }
    } else if (type === FILE) {
      const block = file.read(at, size);
      if (block.length < size || size < FIXED) throw new Broken("rar: ends early");
      data = packedSize(block, flags);
      yield memberOf(block, flags, { start: at + size, size: data });
    } else if (type === END) return;
    at += size + data;
  }
}

function packedSize(block: Buffer, flags: number): number {
  const low = block.readUInt32LE(7);
  if ((flags & LARGE) === 0 || block.length < FIXED + 8) return low;
  return low + block.readUInt32LE(FIXED) * 2 ** 32;
}

function memberOf(
  block: Buffer,
  flags: number,
  data: { readonly start: number; readonly size: number },
): RarEvent {
  const length = block.readUInt16LE(26);
  const at = (flags & LARGE) !== 0 ? FIXED + 8 : FIXED;
  const name = block.subarray(at, at + length);
  const link =
    block[15] === UNIX && (block.readUInt32LE(28) & KIND) === LINK && data.size <= MAX_LINK;
  return {
    is: "member",
    names: (flags & UNICODE) !== 0 ? unicodeNames(name) : namesFrom(name),
    what: (flags & DIRECTORY) === DIRECTORY ? "directory" : link ? "link" : "file",
    encrypted: (flags & PASSWORD) !== 0,
    split: (flags & SPLIT) !== 0,
    stored: block[25] === STORED ? data : null,
  };
}

/** The name in the packer's charset, a NUL, and the Unicode name as differences to it; without the NUL the name is UTF-8. */
function unicodeNames(octets: Buffer): string[] {
  const end = octets.indexOf(0);
  if (end < 0) return namesFrom(octets);
  const plain = octets.subarray(0, end);
  return distinct([unicodeName(plain, octets.subarray(end + 1)), ...namesFrom(plain)]);
}

function unicodeName(plain: Buffer, coded: Buffer): string {
  const high = (coded[0] ?? 0) << 8;
  const units: number[] = [];
  let at = 1;
  let flags = 0;
  for (let pair = 0; at < coded.length; pair = (pair + 1) % 4) {
    if (pair === 0) flags = coded[at++]!;
    if (at >= coded.length) break;
    const octet = coded[at++]!;
    const form = (flags >> (6 - 2 * pair)) & 3;
    if (form === 0) units.push(octet);
    else if (form === 1) units.push(octet | high);
    else if (form === 2) units.push(octet | ((coded[at++] ?? 0) << 8));
    else {
      // A run of the plain name, moved by a difference or as it is.
      const moved = (octet & 0x80) !== 0;
      const difference = moved ? (coded[at++] ?? 0) : 0;
      for (let left = (octet & 0x7f) + 2; left > 0 && units.length < plain.length; left--) {
        const own = plain[units.length]!;
        units.push(moved ? ((own + difference) & 0xff) | high : own);
      }
    }
  }
  return String.fromCharCode(...units);
}
