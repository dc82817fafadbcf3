// Bits from the highest of each octet on, and prefix codes over them, as bzip2 and the LZH methods have them. Used by bzip2.ts, lzh.ts
// and arj.ts.
import type { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";

/** Octets behind the end that may be looked at: as zeros. */
const BEYOND = 4;

/** Bits from the highest of each octet on. */
export class Bits {
  readonly #in: Cursor;
  #held = 0;
  #count = 0;
  /** Zero octets taken beyond the end: a few, for the look ahead. */
  #beyond = 0;

  constructor(input: Cursor) {
    this.#in = input;
  }

  /** Behind the last octet of which a bit was used. */
  get end(): number {
    return this.#in.at + this.#beyond - (this.#count >> 3);
  }

  /** The next bits, at most 24, without using them. */
  peek(count: number): number {
    while (this.#count < count) {
      let octet = this.#in.next();
      if (octet < 0) {
        if (++this.#beyond > BEYOND) throw new Broken("ends early");
        octet = 0;
      }
      this.#held = ((this.#held << 8) | octet) >>> 0;
      this.#count += 8;
    }
    return (this.#held >>> (this.#count - count)) & ((1 << count) - 1);
  }

  skip(count: number): void {
    this.#count -= count;
  }

  take(count: number): number {
    const value = this.peek(count);
    this.#count -= count;
    return value;
  }
}

/** A canonical prefix code. */
export class PrefixCode {
  readonly #most: number;
  /** Left-aligned to the longest code: the first value that is too large for codes of this length. */
  readonly #limits: Int32Array;
  readonly #offsets: Int32Array;
  readonly #symbols: Uint16Array;
  #shortest: number;

  /** The lengths of the symbols' codes, 0 for none; none is longer than `most` (at most 24). */
  constructor(lengths: Uint8Array, most: number) {
    this.#most = this.#shortest = most;
    this.#limits = new Int32Array(most + 1);
    this.#offsets = new Int32Array(most + 1);
    this.#symbols = new Uint16Array(lengths.length);
    const counts = new Uint16Array(most + 1);
    for (const length of lengths) counts[length]!++;
    let code = 0;
    let index = 0;
    for (let length = 1; length <= most; length++) {
      const count = counts[length]!;
      if (count > 0 && length < this.#shortest) this.#shortest = length;
      this.#offsets[length] = index - code;
      for (let symbol = 0; symbol < lengths.length && count > 0; symbol++)
        if (lengths[symbol] === length) this.#symbols[index++] = symbol;
      code += count;
      this.#limits[length] = code << (most - length);
      code <<= 1;
    }
  }

  /** The next symbol. Throws Broken for a code that is none. */
  read(bits: Bits): number {
    const most = this.#most;
    const seen = bits.peek(most);
    for (let length = this.#shortest; length <= most; length++) {
      if (seen >= this.#limits[length]!) continue;
      bits.skip(length);
      return this.#symbols[(seen >> (most - length)) + this.#offsets[length]!] ?? 0;
    }
    throw new Broken("bad code");
  }
}
