// A set of octets, and how letters of either case belong together as Perl sees them under /i and /aa: A to Z, and the letters of
// Latin-1 with a partner in Latin-1. Used by everything here that reads patterns.

/** The octet of the other case; itself when it has none. */
export function otherCase(octet: number): number {
  if (octet >= 0x41 && octet <= 0x5a) return octet + 0x20;
  if (octet >= 0x61 && octet <= 0x7a) return octet - 0x20;
  if (octet >= 0xc0 && octet <= 0xde && octet !== 0xd7) return octet + 0x20;
  if (octet >= 0xe0 && octet <= 0xfe && octet !== 0xf7) return octet - 0x20;
  return octet;
}

export class OctetSet {
  /** One bit per octet. */
  readonly #words = new Int32Array(8);
  #octets: number[] | null = null;

  static of(...octets: readonly number[]): OctetSet {
    const set = new OctetSet();
    for (const octet of octets) set.add(octet);
    return set;
  }

  /** Pairs of first and last octets. */
  static ranges(...ranges: readonly (readonly [number, number])[]): OctetSet {
    const set = new OctetSet();
    for (const [first, last] of ranges) set.addRange(first, last);
    return set;
  }

  get size(): number {
    return this.octets.length;
  }

  has(octet: number): boolean {
    return ((this.#words[octet >> 5]! >>> (octet & 31)) & 1) === 1;
  }

  add(octet: number): void {
    this.#words[octet >> 5]! |= 1 << (octet & 31);
    this.#octets = null;
  }

  addRange(first: number, last: number): void {
    for (let octet = first; octet <= last; octet++) this.add(octet);
  }

  addAll(other: OctetSet): void {
    for (let word = 0; word < 8; word++) this.#words[word]! |= other.#words[word]!;
    this.#octets = null;
  }

  clear(): void {
    this.#words.fill(0);
    this.#octets = null;
  }

  copy(): OctetSet {
    const set = new OctetSet();
    set.addAll(this);
    return set;
  }

  complement(): OctetSet {
    const set = new OctetSet();
    for (let octet = 0; octet < 256; octet++) if (!this.has(octet)) set.add(octet);
    return set;
  }

  /** With the other case of each letter. */
  folded(): OctetSet {
    const set = this.copy();
    for (const octet of this.octets) set.add(otherCase(octet));
    return set;
  }

  /** Whether each letter is there in both cases or in none. */
  isFolded(): boolean {
    return this.octets.every((octet) => this.has(otherCase(octet)));
  }

  equals(other: OctetSet): boolean {
    return this.#words.every((word, at) => word === other.#words[at]);
  }

  intersects(other: OctetSet): boolean {
    return this.#words.some((word, at) => (word & other.#words[at]!) !== 0);
  }

  isAny(): boolean {
    return this.#words.every((word) => word === -1);
  }

  /** Runs of neighbours, ascending. */
  *runs(): Generator<readonly [number, number]> {
    for (let first = 0; first < 256; first++) {
      if (!this.has(first)) continue;
      let last = first;
      while (last < 255 && this.has(last + 1)) last++;
      yield [first, last];
      first = last;
    }
  }

  /** Ascending. Asked for only when the set is complete. */
  get octets(): readonly number[] {
    if (this.#octets === null) {
      this.#octets = [];
      for (let octet = 0; octet < 256; octet++) if (this.has(octet)) this.#octets.push(octet);
    }
    return this.#octets;
  }
}

const SINGLE = Array.from({ length: 256 }, (_, octet) => OctetSet.of(octet));
const BOTH_CASES = SINGLE.map((set, octet) => (otherCase(octet) === octet ? set : set.folded()));

/** The set of one octet; with the letter of the other case under `ignoreCase`. Not to be changed: it is shared. */
export function single(octet: number, ignoreCase: boolean): OctetSet {
  return (ignoreCase ? BOTH_CASES : SINGLE)[octet]!;
}

export const DIGITS = OctetSet.ranges([0x30, 0x39]);
export const WORD = OctetSet.ranges([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]);
/** Perl's \s on octets knows the vertical tab. */
export const SPACE = OctetSet.ranges([0x09, 0x0d], [0x20, 0x20]);
/** \h is not narrowed by /a: the no-break space of Latin-1 is in it. */
export const BLANK = OctetSet.of(0x09, 0x20, 0xa0);
/** \v, likewise with NEL. */
export const VERTICAL = OctetSet.of(0x0a, 0x0b, 0x0c, 0x0d, 0x85);
export const NOT_NEWLINE = OctetSet.of(0x0a).complement();
export const ANY = new OctetSet().complement();

/** [:NAME:], under /a: ASCII only. */
export const POSIX: ReadonlyMap<string, OctetSet> = new Map([
  ["alpha", OctetSet.ranges([0x41, 0x5a], [0x61, 0x7a])],
  ["digit", DIGITS],
  ["alnum", OctetSet.ranges([0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a])],
  ["upper", OctetSet.ranges([0x41, 0x5a])],
  ["lower", OctetSet.ranges([0x61, 0x7a])],
  ["space", SPACE],
  ["blank", OctetSet.of(0x09, 0x20)],
  ["punct", OctetSet.ranges([0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e])],
  ["print", OctetSet.ranges([0x20, 0x7e])],
  ["graph", OctetSet.ranges([0x21, 0x7e])],
  ["cntrl", OctetSet.ranges([0x00, 0x1f], [0x7f, 0x7f])],
  ["xdigit", OctetSet.ranges([0x30, 0x39], [0x41, 0x46], [0x61, 0x66])],
  ["word", WORD],
  ["ascii", OctetSet.ranges([0x00, 0x7f])],
]);
