// The probabilities of LZMA, which adapt. Used by lzma.ts.
export const HALF = 1024;
const STATES = 12;
const POS_STATES_MAX = 16;
export const END_POS_MODEL = 14;

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

const fresh = (length: number): Uint16Array => new Uint16Array(length).fill(HALF);

/** Probabilities of the length of a match. */
export class Lengths {
  readonly choice = fresh(2);
  readonly low = fresh(POS_STATES_MAX << 3);
  readonly mid = fresh(POS_STATES_MAX << 3);
  readonly high = fresh(256);
  readonly all = [this.choice, this.low, this.mid, this.high];
}

/** Everything that adapts. */
export class Model {
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
