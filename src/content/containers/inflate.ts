// Deflate (RFC 1951) and Deflate64 as a stream of pieces. Written here, not taken from node:zlib, because a reader of hostile archives
// must know where the stream really ends, keep what came before the damage, and stop between two pieces. Used by zip-octets.ts.
import { BitSource } from "./bit-source.ts";
import {
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  END_OF_BLOCK,
  FIXED_LENGTHS,
  lengthBase,
  lengthExtra,
  ORDER,
} from "./deflate-tables.ts";
import { Broken } from "./format.ts";
import { build, codeFor, FAST_MASK, lookUp } from "./huffman.ts";
import type { Octets } from "./octets.ts";

const WINDOW = 65_536;
/** A piece may be longer by one match, 65,538 octets in Deflate64. */
const PIECE = 65_536;
const SLACK = 65_600;
const FULL = WINDOW + PIECE;

/** The room of the stream that ended last, for the next: most members are small. */
let spare: Buffer | null = null;

/** A stream that is being unpacked. */
export class Inflate {
  readonly #source: BitSource;
  readonly #base: Uint16Array;
  readonly #extra: Uint8Array;
  readonly #farthest: number;
  readonly #literals = codeFor(288);
  readonly #distances = codeFor(32);
  /** The last 64 KiB that came out, then the piece that is being made. */
  #out: Buffer = Buffer.alloc(0);
  #at = WINDOW;
  /** Octets in front of the piece that can be referred to. */
  #known = 0;
  #state: "head" | "stored" | "coded" | "end" = "head";
  #last = false;
  #stored = 0;

  /** `wide`: Deflate64. The stream begins at `at`; where it ends is seen from itself. */
  constructor(from: Octets, at: number, wide = false) {
    this.#source = new BitSource(from, at);
    this.#base = lengthBase(wide);
    this.#extra = lengthExtra(wide);
    this.#farthest = wide ? 32 : 30;
  }

  /** How far the stream was read; after the end the first octet behind it. */
  get position(): number {
    return this.#source.position;
  }

  /** All pieces, once, each valid until the next is asked for. Throws Broken at the damage, after what came before it. */
  *pieces(): Generator<Buffer> {
    this.#out = spare ?? Buffer.allocUnsafe(FULL + SLACK);
    spare = null;
    try {
      while (this.#state !== "end") {
        const broken = this.#filled();
        if (this.#at > WINDOW) {
          yield this.#out.subarray(WINDOW, this.#at);
          this.#known = Math.min(WINDOW, this.#known + this.#at - WINDOW);
          this.#out.copyWithin(WINDOW - this.#known, this.#at - this.#known, this.#at);
          this.#at = WINDOW;
        }
        if (broken !== null) throw broken;
      }
    } finally {
      spare = this.#out;
    }
  }

  /** Unpacks until a piece is full, the stream ends, or it is damaged: then that is returned. */
  #filled(): Broken | null {
    try {
      while (this.#at < FULL && this.#state !== "end") {
        if (this.#state === "head") this.#head();
        else if (this.#state === "stored") this.#copyStored();
        else this.#decode();
        if (this.#source.isBeyond) throw new Broken("deflate: cut off");
      }
      return null;
    } catch (error) {
      if (error instanceof Broken) return error;
      throw error;
    }
  }

  #head(): void {
    if (this.#last) {
      this.#state = "end";
      return;
    }
    const source = this.#source;
    this.#last = source.take(1) === 1;
    const type = source.take(2);
    if (type === 3) throw new Broken("deflate: bad block type");
    if (type === 0) {
      source.drop(source.bits & 7);
      this.#stored = source.take(16);
      if (this.#stored !== (~source.take(16) & 0xffff))
        throw new Broken("deflate: bad stored block");
      this.#state = "stored";
      return;
    }
    if (type === 1) this.#setCodes(FIXED_LENGTHS, 288, 320);
    else this.#readCodes();
    this.#state = "coded";
  }

  #setCodes(lengths: Uint8Array, literals: number, all: number): void {
    const sound =
      build(this.#literals, lengths, 0, literals) && build(this.#distances, lengths, literals, all);
    if (!sound) throw new Broken("deflate: bad code");
  }

  /** RFC 1951 3.2.7. */
  #readCodes(): void {
    const source = this.#source;
    const lengths = new Uint8Array(320);
    const literals = source.take(5) + 257;
    const all = literals + source.take(5) + 1;
    const count = source.take(4) + 4;
    for (let i = 0; i < count; i++) lengths[ORDER[i]!] = source.take(3);
    if (!build(this.#literals, lengths, 0, 19)) throw new Broken("deflate: bad code of lengths");
    lengths.fill(0);
    for (let at = 0; at < all;) {
      source.need(15);
      const entry = lookUp(this.#literals, source.held);
      if (entry === 0) throw new Broken("deflate: no such code");
      source.drop(entry & 15);
      const symbol = entry >> 4;
      if (symbol < 16) {
        lengths[at++] = symbol;
        continue;
      }
      const times = symbol === 18 ? 11 + source.take(7) : 3 + source.take(symbol === 17 ? 3 : 2);
      if ((symbol === 16 && at === 0) || at + times > all)
        throw new Broken("deflate: bad lengths of codes");
      lengths.fill(symbol === 16 ? lengths[at - 1]! : 0, at, at + times);
      at += times;
    }
    this.#setCodes(lengths, literals, all);
  }

  #copyStored(): void {
    const source = this.#source;
    while (this.#stored > 0 && this.#at < FULL) {
      if (source.bits >= 8) {
        this.#out[this.#at++] = source.take(8);
        this.#stored--;
        continue;
      }
      if (source.taken >= source.input.length) source.refill();
      const left = source.input.length - source.taken;
      if (left === 0) throw new Broken("deflate: cut off");
      const room = Math.min(this.#stored, left, FULL - this.#at);
      source.input.copy(this.#out, this.#at, source.taken, source.taken + room);
      source.taken += room;
      this.#at += room;
      this.#stored -= room;
    }
    if (this.#stored === 0) this.#state = "head";
  }

  /** Literals and matches until the block ends or the piece is full. */
  #decode(): void {
    const source = this.#source;
    const out = this.#out;
    const { fast } = this.#literals;
    let { input, taken, held, bits } = source;
    let at = this.#at;
    for (;;) {
      if (bits < 15 && taken + 2 <= input.length) {
        held |= (input[taken]! | (input[taken + 1]! << 8)) << bits;
        taken += 2;
        bits += 16;
      }
      // With fewer bits, at the end of the input, the slow way goes on.
      const entry = bits < 15 ? 0 : fast[held & FAST_MASK]!;
      if (entry !== 0 && entry < END_OF_BLOCK << 4 && at < FULL) {
        held >>>= entry & 15;
        bits -= entry & 15;
        out[at++] = entry >> 4;
        continue;
      }
      source.taken = taken;
      source.held = held;
      source.bits = bits;
      this.#at = at;
      if (at >= FULL || !this.#step()) return;
      ({ input, taken, held, bits } = source);
      at = this.#at;
    }
  }

  /** One symbol, whatever it is; false when it ends the block. */
  #step(): boolean {
    const source = this.#source;
    source.need(15);
    const entry = lookUp(this.#literals, source.held);
    if (entry === 0) throw new Broken("deflate: no such code");
    source.drop(entry & 15);
    const symbol = entry >> 4;
    if (symbol < END_OF_BLOCK) this.#out[this.#at++] = symbol;
    else if (symbol > END_OF_BLOCK) this.#match(symbol - END_OF_BLOCK - 1);
    else this.#state = "head";
    return symbol !== END_OF_BLOCK;
  }

  #match(which: number): void {
    const source = this.#source;
    if (which >= this.#base.length) throw new Broken("deflate: bad length");
    const length = this.#base[which]! + source.take(this.#extra[which]!);
    source.need(15);
    const entry = lookUp(this.#distances, source.held);
    const symbol = entry >> 4;
    if (entry === 0 || symbol >= this.#farthest) throw new Broken("deflate: bad distance");
    source.drop(entry & 15);
    const distance = DISTANCE_BASE[symbol]! + source.take(DISTANCE_EXTRA[symbol]!);
    const out = this.#out;
    let at = this.#at;
    if (distance > this.#known + at - WINDOW) throw new Broken("deflate: distance too far");
    this.#at = at + length;
    if (distance === 1 && length > 16) out.fill(out[at - 1]!, at, at + length);
    else if (distance >= length && length > 64)
      out.copyWithin(at, at - distance, at - distance + length);
    else for (let from = at - distance, end = at + length; at < end;) out[at++] = out[from++]!;
  }
}
