// The LZH methods: matches in a window and static Huffman codes in blocks, as in lha's -lh4- to -lh7-, arj's methods 1 to 3 and zoo's
// method 2. Used by lha.ts, arj.ts and zoo.ts.
import { Bits, PrefixCode } from "./bits.ts";
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import { History } from "./history.ts";
import type { Octets } from "./octets.ts";

const CODES = 510;
const CODES_BITS = 9;
const MAX_CODE = 16;
/** The code of code lengths. */
const LENGTHS = 19;
const LENGTHS_BITS = 5;
const SHORTEST = 3;

/** What the methods differ in: how many codes of distances there are, and in how many bits their number stands. */
export interface LzhKind {
  readonly distances: number;
  readonly bits: number;
}

export const LH5: LzhKind = { distances: 14, bits: 4 };
export const LH6: LzhKind = { distances: 16, bits: 5 };
export const LH7: LzhKind = { distances: 17, bits: 5 };

/** `size` octets in pieces, unpacked from the start of `packed`. Throws Broken at the damage, after what came before it. */
export function* lzhOctets(packed: Octets, kind: LzhKind, size: number): Generator<Buffer> {
  const bits = new Bits(new Cursor(packed));
  const history = new History();
  let left = size;
  let inBlock = 0;
  let codes: Symbols = { one: 0 };
  let distances: Symbols = { one: 0 };
  try {
    while (left > 0) {
      if (inBlock === 0) {
        inBlock = bits.take(16);
        if (inBlock === 0) inBlock = 65_536;
        codes = codesOf(bits, lengthCode(bits, LENGTHS, LENGTHS_BITS, 3));
        distances = lengthCode(bits, kind.distances, kind.bits, -1);
      }
      inBlock--;
      const symbol = read(codes, bits);
      if (symbol < 256) {
        history.add(symbol);
        left--;
      } else {
        const length = Math.min(left, symbol - 256 + SHORTEST);
        const slot = read(distances, bits);
        history.repeat(slot < 2 ? slot : (1 << (slot - 1)) + bits.take(slot - 1), length);
        left -= length;
      }
      if (history.full) yield history.take();
    }
  } catch (error) {
    yield history.take();
    throw error;
  }
  yield history.take();
}

/** A code, or the one symbol that needs none. */
type Symbols = PrefixCode | { readonly one: number };

function read(symbols: Symbols, bits: Bits): number {
  return symbols instanceof PrefixCode ? symbols.read(bits) : symbols.one;
}

/** Reads lengths in three bits each, longer ones in unary; behind the third of them (`gap`) some are left out. */
function lengthCode(bits: Bits, most: number, countBits: number, gap: number): Symbols {
  const count = bits.take(countBits);
  if (count === 0) return { one: bits.take(countBits) };
  if (count > most) throw new Broken("lzh: too many codes");
  const lengths = new Uint8Array(most);
  for (let i = 0; i < count;) {
    let length = bits.take(3);
    if (length === 7)
      while (bits.take(1) === 1) if (++length > MAX_CODE) throw new Broken("lzh: bad code length");
    lengths[i++] = length;
    if (i === gap) i += bits.take(2);
  }
  return new PrefixCode(lengths, MAX_CODE);
}

/** Reads the lengths of the codes of literals and matches, which are coded themselves. */
function codesOf(bits: Bits, coded: Symbols): Symbols {
  const count = bits.take(CODES_BITS);
  if (count === 0) return { one: bits.take(CODES_BITS) };
  if (count > CODES) throw new Broken("lzh: too many codes");
  const lengths = new Uint8Array(CODES);
  for (let i = 0; i < count;) {
    const symbol = read(coded, bits);
    if (symbol > 2) lengths[i++] = symbol - 2;
    else i += symbol === 0 ? 1 : symbol === 1 ? 3 + bits.take(4) : 20 + bits.take(9);
  }
  return new PrefixCode(lengths, MAX_CODE);
}
