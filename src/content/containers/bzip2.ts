// bzip2: blocks of up to 900,000 octets, each sorted (Burrows-Wheeler), moved to front and Huffman coded; streams one behind the
// other. Unpacked block by block into pieces. Used as a format, and for the members of zip files.
import { Bits, PrefixCode } from "./bits.ts";
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import type { Octets } from "./octets.ts";

const PIECE = 128 * 1024;
const BLOCK = 100_000;
const GROUP = 50;
const MAX_CODE = 20;
const BLOCK_MARK = 0x314159265359;
const END_MARK = 0x177245385090;
/** A stream without blocks is 14 octets long. */
const MAX_STREAMS = 65_536;

export const bzip2: Format = {
  name: "bzip2",
  kinds: ["bz2"],
  suffixes: { bz2: "", bz: "", tbz: "tar", tbz2: "tar" },
  *members(file, report) {
    const state = { end: 0 };
    yield { names: [], what: "file", octets: () => bzip2Octets(file, state) };
    if (state.end > 0 && state.end < file.size) report.defect("container-trailing-data");
  },
};

/** The octets of all streams; `state.end` is set behind the last. Throws Broken at the damage. */
export function* bzip2Octets(file: Octets, state = { end: 0 }): Generator<Buffer> {
  let at = 0;
  let block: Uint32Array = new Uint32Array(0);
  for (let streams = 0; streams < MAX_STREAMS; streams++) {
    const header = file.read(at, 4);
    const level = (header[3] ?? 0) - 0x30;
    if (header.toString("latin1", 0, 3) !== "BZh" || level < 1 || level > 9) {
      if (at === 0) throw new Broken("bzip2: no header");
      state.end = at;
      return;
    }
    const bits = new Bits(new Cursor(file, at + 4));
    while (hasBlock(bits)) {
      // One for all streams: they may be tiny, and many.
      if (block.length < level * BLOCK) block = new Uint32Array(level * BLOCK);
      yield* blockOf(bits, block.subarray(0, level * BLOCK));
    }
    at = bits.end;
  }
  throw new Broken("bzip2: too many streams", "container-too-large");
}

/** Reads on to the next block; false when the stream ends instead. */
function hasBlock(bits: Bits): boolean {
  const mark = bits.take(24) * 0x1000000 + bits.take(24);
  if (mark !== BLOCK_MARK && mark !== END_MARK) throw new Broken("bzip2: no block");
  bits.take(16);
  bits.take(16);
  return mark === BLOCK_MARK;
}

function* blockOf(bits: Bits, block: Uint32Array): Generator<Buffer> {
  if (bits.take(1) === 1) throw new Broken("bzip2: randomised block", "container-unsupported");
  const origin = bits.take(24);
  const length = readBlock(bits, block);
  if (length === 0) return;
  if (origin >= length) throw new Broken("bzip2: bad origin");
  yield* unsorted(block, length, origin);
}

/** Reads the symbols of a block, moved to front, into the low octets of `block`; returns how many there are. */
function readBlock(bits: Bits, block: Uint32Array): number {
  const front = alphabetOf(bits);
  const symbols = front.length + 2;
  const tables = bits.take(3);
  if (tables < 2 || tables > 6) throw new Broken("bzip2: bad number of tables");
  const selectors = selectorsOf(bits, tables);
  const codes = Array.from({ length: tables }, () => codeOf(bits, symbols));
  let length = 0;
  let run = 0;
  let weight = 1;
  for (let group = 0; group < selectors.length; group++) {
    const code = codes[selectors[group]!]!;
    for (let i = 0; i < GROUP; i++) {
      const symbol = code.read(bits);
      if (symbol < 2) {
        // Digits of a length, in base two with digits one and two.
        run += weight << symbol;
        weight <<= 1;
        if (run > block.length) throw new Broken("bzip2: block too long");
        continue;
      }
      if (run > 0) {
        if (length + run > block.length) throw new Broken("bzip2: block too long");
        block.fill(front[0]!, length, length + run);
        length += run;
        run = 0;
        weight = 1;
      }
      if (symbol === symbols - 1) return length;
      if (length === block.length) throw new Broken("bzip2: block too long");
      block[length++] = toFront(front, symbol - 1);
    }
  }
  throw new Broken("bzip2: block without end");
}

function toFront(front: Uint8Array, place: number): number {
  const octet = front[place]!;
  front.copyWithin(1, 0, place);
  front[0] = octet;
  return octet;
}

/** The octets that occur in the block: a bit for each 16, a bit for each of those. */
function alphabetOf(bits: Bits): Uint8Array {
  const sixteens = bits.take(16);
  const found: number[] = [];
  for (let high = 0; high < 16; high++) {
    if ((sixteens & (0x8000 >> high)) === 0) continue;
    const ones = bits.take(16);
    for (let low = 0; low < 16; low++)
      if ((ones & (0x8000 >> low)) !== 0) found.push(high * 16 + low);
  }
  if (found.length === 0) throw new Broken("bzip2: empty alphabet");
  return Uint8Array.from(found);
}

/** Which table each 50 symbols use. */
function selectorsOf(bits: Bits, tables: number): Uint8Array {
  const count = bits.take(15);
  if (count === 0) throw new Broken("bzip2: no selectors");
  const front = Uint8Array.from({ length: tables }, (_, i) => i);
  const selectors = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let place = 0;
    while (bits.take(1) === 1) if (++place >= tables) throw new Broken("bzip2: bad selector");
    selectors[i] = toFront(front, place);
  }
  return selectors;
}

/** Reads the lengths of one table's codes, each as steps from the one before. */
function codeOf(bits: Bits, symbols: number): PrefixCode {
  const lengths = new Uint8Array(symbols);
  let length = bits.take(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE) throw new Broken("bzip2: bad code length");
      if (bits.take(1) === 0) break;
      length += bits.take(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return new PrefixCode(lengths, MAX_CODE);
}

/** Undoes the sorting, then the runs of four to 259 equal octets. */
function* unsorted(block: Uint32Array, length: number, origin: number): Generator<Buffer> {
  const starts = new Uint32Array(256);
  for (let i = 0; i < length; i++) starts[block[i]! & 0xff]!++;
  for (let octet = 0, sum = 0; octet < 256; octet++) {
    const count = starts[octet]!;
    starts[octet] = sum;
    sum += count;
  }
  // The octet that follows each one, beside it.
  for (let i = 0; i < length; i++) {
    const place = starts[block[i]! & 0xff]!++;
    block[place] = block[place]! | (i << 8);
  }
  let at = block[origin]! >>> 8;
  let out = Buffer.allocUnsafe(PIECE + 256);
  let filled = 0;
  let last = -1;
  let equal = 0;
  for (let i = 0; i < length; i++) {
    const entry = block[at]!;
    const octet = entry & 0xff;
    at = entry >>> 8;
    if (equal === 4) {
      out.fill(last, filled, filled + octet);
      filled += octet;
      equal = 0;
      last = -1;
    } else {
      out[filled++] = octet;
      equal = octet === last ? equal + 1 : 1;
      last = octet;
    }
    if (filled >= PIECE) {
      yield out.subarray(0, filled);
      out = Buffer.allocUnsafe(PIECE + 256);
      filled = 0;
    }
  }
  if (filled > 0) yield out.subarray(0, filled);
}
