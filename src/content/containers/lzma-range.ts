// The range decoder of LZMA: bits by adaptive probabilities. Used by lzma.ts.
import type { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";

const TOP = 0x1000000;

export class RangeDecoder {
  readonly #in: Cursor;
  #range = 0;
  #code = 0;

  constructor(input: Cursor) {
    this.#in = input;
  }

  /** Reads the five octets with which every range coded stretch begins. */
  start(): void {
    if (this.#next() !== 0) throw new Broken("lzma: bad start");
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  tree(probabilities: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(probabilities, base + symbol);
    return symbol - (1 << bits);
  }

  reversed(probabilities: Uint16Array, base: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** Bits of equal probability. */
  direct(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      value = (value << 1) | bit;
      if (this.#range < TOP) this.#more();
    }
    return value;
  }

  bit(probabilities: Uint16Array, index: number): number {
    const probability = probabilities[index]!;
    const split = (this.#range >>> 11) * probability;
    let bit: number;
    if (this.#code < split) {
      this.#range = split;
      probabilities[index] = probability + ((2048 - probability) >> 5);
      bit = 0;
    } else {
      this.#range -= split;
      this.#code -= split;
      probabilities[index] = probability - (probability >> 5);
      bit = 1;
    }
    if (this.#range < TOP) this.#more();
    return bit;
  }

  #more(): void {
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  #next(): number {
    const octet = this.#in.next();
    if (octet < 0) throw new Broken("lzma: ends early");
    return octet;
  }
}
