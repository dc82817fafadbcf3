// The LZMA algorithm: a range decoder over adaptive probabilities that writes into a window. Decodes from one state to the next,
// so that a reader can stop between two pieces. Used by xz.ts, lzma-files.ts, sevenzip-header.ts and zip's method 14.
import type { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import { END_POS_MODEL, Model } from "./lzma-model.ts";
import type { Lengths, Properties } from "./lzma-model.ts";
import { RangeDecoder } from "./lzma-range.ts";
import { MAX_WINDOW, Window } from "./lzma-window.ts";

const MIN_MATCH = 2;
const END_MARK = 0xffffffff;

function tooFar(window: Window): Broken {
  return window.count > MAX_WINDOW
    ? new Broken("lzma: dictionary larger than 64 MiB", "container-unsupported")
    : new Broken("lzma: distance too far");
}

export class LzmaDecoder {
  readonly #in: Cursor;
  readonly #bits: RangeDecoder;
  readonly #window: Window;
  #properties: Properties;
  #model: Model;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  /** Octets of a match that did not fit into the last piece. */
  #pending = 0;

  /** `dictionary`: its declared size in octets. */
  constructor(input: Cursor, properties: Properties, dictionary: number) {
    this.#in = input;
    this.#bits = new RangeDecoder(input);
    this.#window = new Window(dictionary);
    this.#properties = properties;
    this.#model = new Model(properties);
  }

  /** Forgets the octets before (LZMA2 dictionary reset). */
  resetWindow(): void {
    this.#window.count = 0;
  }

  /** Starts afresh but for the window, with other properties if any are given. */
  resetState(properties: Properties = this.#properties): void {
    this.#properties = properties;
    this.#model = this.#model.for(properties);
    this.#state = this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
  }

  /** Reads the octets with which every range coded stretch begins. */
  start(): void {
    this.#bits.start();
  }

  /** Octets that stand as they are (LZMA2). */
  *plain(length: number): Generator<Buffer> {
    const window = this.#window;
    for (let left = length; left > 0; left--) {
      if (window.room === 0) yield window.take();
      const octet = this.#in.next();
      if (octet < 0) {
        yield window.take();
        throw new Broken("lzma: ends early");
      }
      window.octets[window.at++] = octet;
      window.count++;
    }
    yield window.take();
  }

  /**
   * The next `length` octets (Infinity: up to the end mark), in pieces of their own. Returns true when the end mark came first.
   */
  *decode(length: number): Generator<Buffer, boolean> {
    const window = this.#window;
    let left = length;
    while (left > 0) {
      if (window.room === 0) yield window.take();
      const goal = window.at + Math.min(window.room, left);
      const from = window.at;
      let ended: boolean;
      try {
        ended = this.#decodeTo(goal);
      } catch (error) {
        yield window.take();
        throw error;
      }
      left -= window.at - from;
      if (ended) {
        yield window.take();
        return true;
      }
    }
    yield window.take();
    return false;
  }

  /** Decodes until the window stands at `goal`; true when the end mark came before. */
  #decodeTo(goal: number): boolean {
    const window = this.#window;
    while (window.at < goal) {
      if (this.#pending === 0) {
        const length = this.#symbol();
        if (length < 0) return true;
        if (length === 0) continue;
        if (!window.holds(this.#rep0)) throw tooFar(window);
        this.#pending = length;
      }
      this.#copy(Math.min(this.#pending, goal - window.at));
    }
    return false;
  }

  #copy(length: number): void {
    const window = this.#window;
    const { octets } = window;
    this.#pending -= length;
    let from = window.at - this.#rep0 - 1;
    if (from < 0) from += octets.length;
    let at = window.at;
    for (const end = at + length; at < end; at++) {
      octets[at] = octets[from]!;
      if (++from === octets.length) from = 0;
    }
    window.at = at;
    window.count += length;
  }

  /** Decodes one symbol: a literal is written (0), a match gives its length, -1 is the end mark. */
  #symbol(): number {
    const model = this.#model;
    const window = this.#window;
    const position = window.count & ((1 << this.#properties.pb) - 1);
    const state = this.#state;
    if (this.#bits.bit(model.isMatch, (state << 4) + position) === 0) {
      this.#literal();
      return 0;
    }
    if (this.#bits.bit(model.isRep, state) === 0) {
      this.#rep3 = this.#rep2;
      this.#rep2 = this.#rep1;
      this.#rep1 = this.#rep0;
      const length = this.#length(model.lengths, position);
      this.#state = state < 7 ? 7 : 10;
      this.#rep0 = this.#distance(length);
      return this.#rep0 === END_MARK ? -1 : length;
    }
    if (this.#repeat(state, position)) {
      this.#state = state < 7 ? 9 : 11;
      return 1;
    }
    const length = this.#length(model.repLengths, position);
    this.#state = state < 7 ? 8 : 11;
    return length;
  }

  /** Which of the last distances is meant; true for a single octet from the last. */
  #repeat(state: number, position: number): boolean {
    const model = this.#model;
    if (this.#bits.bit(model.isRepG0, state) === 0)
      return this.#bits.bit(model.isRep0Long, (state << 4) + position) === 0;
    let distance: number;
    if (this.#bits.bit(model.isRepG1, state) === 0) distance = this.#rep1;
    else {
      if (this.#bits.bit(model.isRepG2, state) === 0) distance = this.#rep2;
      else {
        distance = this.#rep3;
        this.#rep3 = this.#rep2;
      }
      this.#rep2 = this.#rep1;
    }
    this.#rep1 = this.#rep0;
    this.#rep0 = distance;
    return false;
  }

  #literal(): void {
    const window = this.#window;
    const { octets } = window;
    const { lc, lp } = this.#properties;
    const ring = octets.length;
    const before = window.count === 0 ? 0 : octets[window.at === 0 ? ring - 1 : window.at - 1]!;
    const place = window.count & ((1 << lp) - 1);
    const base = 0x300 * ((place << lc) + (before >> (8 - lc)));
    const probabilities = this.#model.literals;
    let symbol = 1;
    if (this.#state >= 7) {
      if (!window.holds(this.#rep0)) throw tooFar(window);
      let from = window.at - this.#rep0 - 1;
      if (from < 0) from += ring;
      let match = octets[from]!;
      while (symbol < 0x100) {
        const expected = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#bits.bit(probabilities, base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bits.bit(probabilities, base + symbol);
    octets[window.at++] = symbol;
    window.count++;
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6;
  }

  #length(lengths: Lengths, position: number): number {
    if (this.#bits.bit(lengths.choice, 0) === 0)
      return MIN_MATCH + this.#bits.tree(lengths.low, position << 3, 3);
    if (this.#bits.bit(lengths.choice, 1) === 0)
      return MIN_MATCH + 8 + this.#bits.tree(lengths.mid, position << 3, 3);
    return MIN_MATCH + 16 + this.#bits.tree(lengths.high, 0, 8);
  }

  #distance(length: number): number {
    const slot = this.#bits.tree(this.#model.slots, Math.min(length - MIN_MATCH, 3) << 6, 6);
    if (slot < 4) return slot;
    const direct = (slot >> 1) - 1;
    const distance = ((2 | (slot & 1)) << direct) >>> 0;
    if (slot < END_POS_MODEL)
      return distance + this.#bits.reversed(this.#model.special, distance - slot, direct);
    const high = (this.#bits.direct(direct - 4) << 4) >>> 0;
    return (distance + high + this.#bits.reversed(this.#model.align, 0, 4)) >>> 0;
  }
}
