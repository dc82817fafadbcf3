// ARJ archives: stored members, methods 1 to 3 (LZH) and 4 (matches in bits of their own).
import { Bits } from "./bits.ts";
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { History } from "./history.ts";
import { LH7, lzhOctets } from "./lzh.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { namesFrom } from "./raw-names.ts";

const MARK = 0xea60;
const MAX_HEADER = 2600;
const FIXED = 30;
const MAX_EXTENSIONS = 16;
const GARBLED = 0x01;
const VOLUME = 0x04;
const CONTINUED = 0x08;
const MAIN = 2;
const DIRECTORY = 3;
const LABEL = 4;

export const arj: Format = {
  name: "arj",
  kinds: ["arj"],
  extensions: ["arj"],
  *members(file, report) {
    let at = 0;
    for (let first = true; ; first = false) {
      const header = headerAt(file, at);
      if (header === null) return;
      if (first && header.type !== MAIN) throw new Broken("arj: no main header");
      at = header.data + (header.type === MAIN ? 0 : header.packed);
      if (header.type !== MAIN && header.type < LABEL) yield memberOf(file, header, report);
    }
  },
};

interface Header {
  readonly flags: number;
  readonly method: number;
  readonly type: number;
  readonly packed: number;
  readonly size: number;
  readonly name: Buffer;
  /** Where the octets begin. */
  readonly data: number;
}

/** The header at this place; null at the mark of the end. Throws Broken when there is none. */
function headerAt(file: Octets, at: number): Header | null {
  const mark = file.read(at, 4);
  if (mark.length < 4 || mark.readUInt16LE(0) !== MARK) throw new Broken("arj: no header");
  const length = mark.readUInt16LE(2);
  if (length === 0) return null;
  const header = file.read(at + 4, length);
  if (length > MAX_HEADER || length < FIXED || header.length < length)
    throw new Broken("arj: bad header");
  return {
    flags: header[4]!,
    method: header[5]!,
    type: header[6]!,
    packed: header.readUInt32LE(12),
    size: header.readUInt32LE(16),
    name: header.subarray(header[0]),
    data: behindExtensions(file, at + 4 + length + 4),
  };
}

/** The place behind the extended headers, each a size, octets and a check sum; the last is of size 0. */
function behindExtensions(file: Octets, at: number): number {
  for (let place = at, i = 0; i < MAX_EXTENSIONS; i++) {
    const size = file.read(place, 2);
    if (size.length < 2) break;
    place += 2;
    if (size.readUInt16LE(0) === 0) return place;
    place += size.readUInt16LE(0) + 4;
  }
  throw new Broken("arj: bad header");
}

function memberOf(file: Octets, header: Header, report: Report): Member {
  const { flags, method, type, packed, size, data } = header;
  const names = namesFrom(header.name);
  if (type === DIRECTORY) return { names, what: "directory" };
  if ((flags & GARBLED) !== 0) return { names, what: "file", encrypted: true };
  const split = (flags & (VOLUME | CONTINUED)) !== 0;
  if (split) report.defect("container-split");
  const defects: Member["defects"] = split ? [{ kind: "container-split" }] : [];
  const octets = octetsWithin(file, data, packed);
  if (method === 0)
    return {
      names,
      what: "file",
      defects,
      *octets() {
        yield* pieces(octets);
        if (data + packed > file.size) throw new Broken("arj: ends early");
      },
    };
  if (method <= 3)
    return { names, what: "file", defects, octets: () => lzhOctets(octets, LH7, size) };
  if (method === 4) return { names, what: "file", defects, octets: () => fastest(octets, size) };
  const unsupported = { kind: "container-unsupported", detail: `method ${method}` } as const;
  return { names, what: "file", defects: [...defects, unsupported] };
}

/** Method 4: a length in unary and as many bits, 0 for a literal; a distance in nine to 13 bits. */
function* fastest(packed: Octets, size: number): Generator<Buffer> {
  const bits = new Bits(new Cursor(packed));
  const history = new History();
  try {
    for (let left = size; left > 0;) {
      const length = stepped(bits, 0, 7);
      if (length === 0) history.add(bits.take(8));
      else history.repeat(stepped(bits, 9, 13), Math.min(left, length + 2));
      left -= length === 0 ? 1 : length + 2;
      if (history.full) yield history.take();
    }
  } catch (error) {
    yield history.take();
    throw error;
  }
  yield history.take();
}

/** A number of `least` bits, or of one more for each 1 in front; each width goes on where the one before ends. */
function stepped(bits: Bits, least: number, most: number): number {
  let width = least;
  let base = 0;
  while (width < most && bits.take(1) === 1) base += 1 << width++;
  return base + (width === 0 ? 0 : bits.take(width));
}
