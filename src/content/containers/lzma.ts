// The LZMA algorithm: a range decoder over adaptive probabilities that writes into a window. Decodes from one state to the next,
// so that a reader can stop between two pieces. Used by xz.ts, lzma-files.ts, sevenzip-header.ts and zip's method 14.
import type { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";

/** No window is larger, whatever dictionary is declared; what refers further back cannot be read. */
const MAX_WINDOW = 64 * 1024 * 1024;
const FIRST_WINDOW = 32 * 1024;
/** Octets that are decoded between two pieces. */
const PIECE = 128 * 1024;
const HALF = 1024;
const TOP = 0x1000000;
const STATES = 12;
const POS_STATES_MAX = 16;
const MIN_MATCH = 2;
const END_POS_MODEL = 14;
const END_MARK = 0xffffffff;

export interface Properties {
  readonly lc: number;
  readonly lp: number;
  readonly pb: number;
}

/** The octet that packs the three numbers; null when it is none. */
export function propertiesOf(octet: number): Properties | null {
  if (octet >= 9 * 5 * 5) return null;
  return { lc: octet % 9, lp: Math.floor(octet / 9) % 5, pb: Math.floor(octet / 45) };
}

/** The octets decoded so far that a match can refer to, as a ring once the dictionary is full. */
class Window {
  readonly #limit: number;
  octets: Uint8Array;
  at = 0;
  /** Octets since the dictionary was reset. */
  count = 0;
  #flushed = 0;

  constructor(dictionary: number) {
    this.#limit = Math.min(MAX_WINDOW, Math.max(4096, dictionary));
    this.octets = new Uint8Array(Math.min(FIRST_WINDOW, this.#limit));
  }

  /** How many octets fit until a piece has to be taken. */
  get room(): number {
    return Math.min(this.octets.length - this.at, PIECE - (this.at - this.#flushed));
  }

  /** What was written since the last call, as a copy; makes room. */
  take(): Buffer {
    const piece = Buffer.from(this.octets.subarray(this.#flushed, this.at));
    if (this.at === this.octets.length) {
      if (this.at < this.#limit) {
        const larger = new Uint8Array(Math.min(this.#limit, this.at * 2));
        larger.set(this.octets);
        this.octets = larger;
      } else this.at = 0;
    }
    this.#flushed = this.at;
    return piece;
  }

  /** True when an octet so far back is still there; 0 is the last one. */
  holds(distance: number): boolean {
    return distance < this.count && distance < this.#limit;
  }
}

const fresh = (length: number): Uint16Array => new Uint16Array(length).fill(HALF);

/** Probabilities of the length of a match. */
class Lengths {
  readonly choice = fresh(2);
  readonly low = fresh(POS_STATES_MAX << 3);
  readonly mid = fresh(POS_STATES_MAX << 3);
  readonly high = fresh(256);
  readonly all = [this.choice, this.low, this.mid, this.high];
}

/** Everything that adapts. */
class Model {
  readonly literals: Uint16Array;
  readonly #all: readonly Uint16Array[];
  readonly isMatch = fresh(STATES << 4);
  readonly isRep = fresh(STATES);
  readonly isRepG0 = fresh(STATES);
  readonly isRepG1 = fresh(STATES);
  readonly isRepG2 = fresh(STATES);
  readonly isRep0Long = fresh(STATES << 4);
  readonly slots = fresh(4 << 6);
  readonly special = fresh(1 + 128 - END_POS_MODEL);
  readonly align = fresh(16);
  readonly lengths = new Lengths();
  readonly repLengths = new Lengths();

  constructor({ lc, lp }: Properties) {
    this.literals = fresh(0x300 << (lc + lp));
    this.#all = [this.literals, this.isMatch, this.isRep, this.isRepG0, this.isRepG1, this.isRepG2];
    this.#all = [...this.#all, this.isRep0Long, this.slots, this.special, this.align];
    this.#all = [...this.#all, ...this.lengths.all, ...this.repLengths.all];
  }

  /** As new, for these properties. */
  for(properties: Properties): Model {
    if (this.literals.length !== 0x300 << (properties.lc + properties.lp))
      return new Model(properties);
    for (const some of this.#all) some.fill(HALF);
    return this;
  }
}

function tooFar(window: Window): Broken {
  return window.count > MAX_WINDOW
    ? new Broken("lzma: dictionary larger than 64 MiB", "container-unsupported")
    : new Broken("lzma: distance too far");
}

export class LzmaDecoder {
  readonly #in: Cursor;
  readonly #window: Window;
  #properties: Properties;
  #model: Model;
  #range = 0;
  #code = 0;
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

  /** Reads the five octets with which every range coded stretch begins. */
  start(): void {
    if (this.#next() !== 0) throw new Broken("lzma: bad start");
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
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
    if (this.#bit(model.isMatch, (state << 4) + position) === 0) {
      this.#literal();
      return 0;
    }
    if (this.#bit(model.isRep, state) === 0) {
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
    if (this.#bit(model.isRepG0, state) === 0)
      return this.#bit(model.isRep0Long, (state << 4) + position) === 0;
    let distance: number;
    if (this.#bit(model.isRepG1, state) === 0) distance = this.#rep1;
    else {
      if (this.#bit(model.isRepG2, state) === 0) distance = this.#rep2;
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
        const bit = this.#bit(probabilities, base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(probabilities, base + symbol);
    octets[window.at++] = symbol;
    window.count++;
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6;
  }

  #length(lengths: Lengths, position: number): number {
    if (this.#bit(lengths.choice, 0) === 0)
      return MIN_MATCH + this.#tree(lengths.low, position << 3, 3);
    if (this.#bit(lengths.choice, 1) === 0)
      return MIN_MATCH + 8 + this.#tree(lengths.mid, position << 3, 3);
    return MIN_MATCH + 16 + this.#tree(lengths.high, 0, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(this.#model.slots, Math.min(length - MIN_MATCH, 3) << 6, 6);
    if (slot < 4) return slot;
    const direct = (slot >> 1) - 1;
    const distance = ((2 | (slot & 1)) << direct) >>> 0;
    if (slot < END_POS_MODEL)
      return distance + this.#reversed(this.#model.special, distance - slot, direct);
    const high = (this.#direct(direct - 4) << 4) >>> 0;
    return (distance + high + this.#reversed(this.#model.align, 0, 4)) >>> 0;
  }

  #tree(probabilities: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(probabilities, base + symbol);
    return symbol - (1 << bits);
  }

  #reversed(probabilities: Uint16Array, base: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** Bits of equal probability. */
  #direct(bits: number): number {
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

  #bit(probabilities: Uint16Array, index: number): number {
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
