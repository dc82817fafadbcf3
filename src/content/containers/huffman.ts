// Canonical Huffman codes as Deflate has them (RFC 1951 3.2.2): a small table for short codes, a walk over the lengths for long ones,
// so that a new code costs little, however often hostile input asks for one. Used by inflate.ts.

export const MAX_BITS = 15;
const FAST_BITS = 10;
export const FAST_MASK = (1 << FAST_BITS) - 1;

/** One code. `fast` holds symbol << 4 | length for every input whose low bits begin with a short code, else 0. */
export interface Code {
  readonly fast: Uint16Array;
  /** How many codes there are of each length. */
  readonly counts: Uint16Array;
  /** The symbols in the order of their codes. */
  readonly symbols: Uint16Array;
}

/** An empty code with room for so many symbols, at most 320. */
export function codeFor(symbols: number): Code {
  return {
    fast: new Uint16Array(1 << FAST_BITS),
    counts: new Uint16Array(MAX_BITS + 1),
    symbols: new Uint16Array(symbols),
  };
}

const offsets = new Uint16Array(MAX_BITS + 2);
const next = new Uint16Array(MAX_BITS + 2);

/**
 * Makes `code` that of these lengths (0: no such symbol). False when there are more codes than fit. One with gaps is taken: its
 * gaps fail when they are met.
 */
export function build(code: Code, lengths: Uint8Array, from: number, to: number): boolean {
  const { fast, counts, symbols } = code;
  counts.fill(0);
  for (let i = from; i < to; i++) counts[lengths[i]!]!++;
  counts[0] = 0;
  let left = 1;
  let first = 0;
  offsets[1] = 0;
  for (let bits = 1; bits <= MAX_BITS; bits++) {
    left = (left << 1) - counts[bits]!;
    if (left < 0) return false;
    next[bits] = first;
    first = (first + counts[bits]!) << 1;
    offsets[bits + 1] = offsets[bits]! + counts[bits]!;
  }
  fast.fill(0);
  for (let i = from; i < to; i++) {
    const bits = lengths[i]!;
    if (bits === 0) continue;
    symbols[offsets[bits]!++] = i - from;
    const own = next[bits]!++;
    if (bits > FAST_BITS) continue;
    const entry = ((i - from) << 4) | bits;
    for (let at = reversed(own, bits); at <= FAST_MASK; at += 1 << bits) fast[at] = entry;
  }
  return true;
}

/** The bits of a code in the order in which they come. */
function reversed(code: number, bits: number): number {
  let turned = 0;
  for (let i = 0; i < bits; i++) turned |= ((code >> i) & 1) << (bits - 1 - i);
  return turned;
}

/** The code that begins at the lowest bit of `held`, as symbol << 4 | length; 0 when there is none. Needs 15 bits. */
export function lookUp(code: Code, held: number): number {
  const entry = code.fast[held & FAST_MASK]!;
  return entry !== 0 ? entry : walk(code, held);
}

function walk({ counts, symbols }: Code, held: number): number {
  let value = 0;
  let first = 0;
  let index = 0;
  for (let bits = 1; bits <= MAX_BITS; bits++) {
    value |= (held >> (bits - 1)) & 1;
    const count = counts[bits]!;
    if (value - count < first) return (symbols[index + (value - first)]! << 4) | bits;
    index += count;
    first = (first + count) << 1;
    value <<= 1;
  }
  return 0;
}
