// The .xz format (version 1.2): streams of blocks of LZMA2, one behind the other, one file in all. Check sums are not looked at:
// readers differ in that. Also the LZMA2 of other formats.
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import { propertiesOf } from "./lzma-model.ts";
import { LzmaDecoder } from "./lzma.ts";
import type { Octets } from "./octets.ts";

const HEADER = 12;
const FOOTER = 12;
const LZMA2 = 0x21;
/** Sizes of the check by its type. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
/** Streams and blocks may be tiny; each costs a decoder. */
const MAX_BLOCKS = 16_384;
const MAX_VLI = 9;

export const xz: Format = {
  name: "xz",
  kinds: ["xz"],
  suffixes: { xz: "", txz: "tar" },
  *members(file, report) {
    const state = { end: 0 };
    yield { names: [], what: "file", octets: () => xzOctets(file, state) };
    if (state.end > 0 && state.end < file.size) report.defect("container-trailing-data");
  },
};

/** The octets of all streams; `state.end` is set behind the last. Throws Broken at the damage. */
export function* xzOctets(file: Octets, state = { end: 0 }): Generator<Buffer> {
  const budget = { blocks: 0 };
  for (let at = 0; ;) {
    const header = file.read(at, HEADER);
    if (header.length < HEADER || header.toString("latin1", 0, 6) !== "\xfd7zXZ\0") {
      if (at === 0) throw new Broken("xz: no header");
      state.end = at;
      return;
    }
    const check = CHECK_SIZES[header[7]! & 15]!;
    const index = yield* blocksOf(file, at + HEADER, check, budget);
    at = paddedEnd(file, endOfIndex(file, index) + FOOTER);
    if (at > file.size) throw new Broken("xz: ends early");
  }
}

/** The blocks of one stream; returns where its index begins. */
function* blocksOf(
  file: Octets,
  start: number,
  check: number,
  budget: { blocks: number },
): Generator<Buffer, number> {
  for (let at = start; ;) {
    const [first] = file.read(at, 1);
    if (first === undefined) throw new Broken("xz: ends early");
    if (first === 0) return at;
    if (budget.blocks++ === MAX_BLOCKS)
      throw new Broken("xz: too many blocks", "container-too-large");
    const header = file.read(at, (first + 1) * 4);
    const from = at + header.length;
    const end = yield* lzma2Octets(file, from, dictionaryOf(header));
    at = from + Math.ceil((end - from) / 4) * 4 + check;
  }
}

/** The size of the dictionary that a block header declares. Throws Broken for other filters than LZMA2. */
function dictionaryOf(header: Buffer): number {
  const flags = header[1] ?? 0;
  const place = { at: 2 };
  if ((flags & 0x40) !== 0) vliOf(header, place);
  if ((flags & 0x80) !== 0) vliOf(header, place);
  const filter = vliOf(header, place);
  const length = vliOf(header, place);
  if ((flags & 0x3f) !== 0 || filter !== LZMA2 || length !== 1)
    throw new Broken(`xz: filter ${filter.toString(16)}`, "container-unsupported");
  return dictionarySize(header[place.at] ?? 0);
}

/** LZMA2's one octet of properties. */
function dictionarySize(bits: number): number {
  return bits >= 40 ? 0xffffffff : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11);
}

/** A number of seven bits an octet, the low ones first (1.2 of the format). */
function vliOf(octets: Buffer, place: { at: number }): number {
  let value = 0;
  for (let i = 0; i < MAX_VLI; i++) {
    const octet = octets[place.at++];
    if (octet === undefined) break;
    value += (octet & 0x7f) * 2 ** (7 * i);
    if (octet < 0x80) return value;
  }
  throw new Broken("xz: bad number");
}

/** The place behind the index that begins at `start`: indicator, count, two numbers for each block, padding, CRC. */
function endOfIndex(file: Octets, start: number): number {
  const input = new Cursor(file, start + 1);
  const number = (): number => {
    let value = 0;
    for (let i = 0; i < MAX_VLI; i++) {
      const octet = input.next();
      if (octet < 0) break;
      value += (octet & 0x7f) * 2 ** (7 * i);
      if (octet < 0x80) return value;
    }
    throw new Broken("xz: bad index");
  };
  for (let left = 2 * number(); left > 0; left--) number();
  return start + Math.ceil((input.at - start) / 4) * 4 + 4;
}

/** The place of the next stream behind zeros of padding. */
function paddedEnd(file: Octets, at: number): number {
  const input = new Cursor(file, at);
  while (input.peek() === 0) input.next();
  const padding = input.at - at;
  return at + padding - (padding % 4);
}

/** The octets of LZMA2 chunks from `at` up to their end mark; returns the place behind it. Throws Broken at the damage. */
export function* lzma2Octets(
  file: Octets,
  at: number,
  dictionary: number,
): Generator<Buffer, number> {
  const input = new Cursor(file, at);
  const decoder = new LzmaDecoder(input, { lc: 3, lp: 0, pb: 2 }, dictionary);
  for (;;) {
    const control = input.next();
    if (control === 0) return input.at;
    if (control < 0) throw new Broken("xz: ends early");
    if (control === 1 || control >= 0xe0) decoder.resetWindow();
    else if (control > 2 && control < 0x80) throw new Broken("xz: bad chunk");
    const low = (input.next() << 8) | input.next();
    if (control < 0x80) {
      yield* decoder.plain((low & 0xffff) + 1);
      continue;
    }
    const size = ((control & 0x1f) << 16) + (low & 0xffff) + 1;
    const compressed = (((input.next() << 8) | input.next()) & 0xffff) + 1;
    let begin = input.at;
    if (control >= 0xc0) {
      const properties = propertiesOf(input.next());
      if (properties === null || properties.lc + properties.lp > 4)
        throw new Broken("xz: bad properties");
      decoder.resetState(properties);
      begin++;
    } else if (control >= 0xa0) decoder.resetState();
    decoder.start();
    if (yield* decoder.decode(size)) throw new Broken("xz: end mark in a chunk");
    input.seek(begin + compressed);
  }
}
