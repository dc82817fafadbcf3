// The chance that a message is spam, from how often its tokens stood in spam and in ham: Robinson's f(w) for each token, the strongest of
// them combined by Fisher's chi-square test. Pure; asked with what a token store knew.

/** How often a token was seen. */
export interface TokenCount {
  readonly id: number;
  readonly spam: number;
  readonly ham: number;
}

/** Messages that were learned. */
export interface Learned {
  readonly spam: number;
  readonly ham: number;
}

export interface TokenChance {
  readonly id: number;
  /** That a message with this token is spam: between 0 and 1, never either. */
  readonly chance: number;
}

export interface Chance {
  /** 0 to 1. */
  readonly probability: number;
  /** The tokens that it was made from, strongest first. */
  readonly strongest: readonly TokenChance[];
}

/** What a token that was never seen would count, and how much such a belief weighs against what was counted. */
const FW_X = 0.538;
const FW_S = 0.03;
/** Tokens nearer to one half than this say nothing. */
const MIN_STRENGTH = 0.346;
const MOST_TOKENS = 150;
const LN2 = Math.log(2);

/**
 * `counts`: the tokens of the message that are known, each once. Null when none of them tells anything, or when ham or spam was
 * never learned. Tokens of equal strength are taken in the order of their ids (SpamAssassin's order is random there).
 */
export function chanceOf(
  counts: readonly TokenCount[],
  learned: Learned,
  hapaxes = true,
): Chance | null {
  const { spam, ham } = learned;
  if (spam <= 0 || ham <= 0) return null;
  const told: (TokenChance & { readonly strength: number })[] = [];
  for (const { id, spam: s, ham: h } of counts) {
    if (s + h < (hapaxes ? 1 : 2)) continue;
    const seen = s + h;
    const ratio = (s * ham) / (h * spam + s * ham);
    const chance = (FW_X * FW_S + seen * ratio) / (FW_S + seen);
    const strength = Math.abs(chance - 0.5);
    if (strength >= MIN_STRENGTH) told.push({ id, chance, strength });
  }
  if (told.length === 0) return null;
  told.sort((a, b) => b.strength - a.strength || a.id - b.id);
  const strongest = told.slice(0, MOST_TOKENS);
  return {
    probability: combined(
      strongest.map(({ chance }) => chance),
      learned,
    ),
    strongest: strongest.map(({ id, chance }) => ({ id, chance })),
  };
}

/** The products are kept as fraction and exponent, since hundreds of factors would come to nothing. */
function combined(chances: readonly number[], { spam, ham }: Learned): number {
  let [s, h] = [spam / (spam + ham), ham / (spam + ham)];
  let [sExponent, hExponent] = [0, 0];
  for (const chance of chances) {
    s *= 1 - chance;
    h *= chance;
    if (s < 1e-200) {
      const [fraction, exponent] = split(s);
      s = fraction;
      sExponent += exponent;
    }
    if (h < 1e-200) {
      const [fraction, exponent] = split(h);
      h = fraction;
      hExponent += exponent;
    }
  }
  const count = chances.length;
  const spamminess = 1 - chiSquare(-2 * (Math.log(s) + sExponent * LN2), count);
  const hamminess = 1 - chiSquare(-2 * (Math.log(h) + hExponent * LN2), count);
  return (spamminess - hamminess + 1) / 2;
}

/** A positive number as a fraction from 0.5 up to 1 and a power of two. */
function split(value: number): readonly [fraction: number, exponent: number] {
  if (!(value > 0)) return [value, 0];
  let exponent = 0;
  let fraction = value;
  // Powers of two change no digit.
  for (; fraction < 2 ** -64; exponent -= 64) fraction *= 2 ** 64;
  for (; fraction < 0.5; exponent--) fraction *= 2;
  for (; fraction >= 1; exponent++) fraction /= 2;
  return [fraction, exponent];
}

/** The chance of a chi-square value as large as this, for `half` pairs of degrees of freedom. */
function chiSquare(value: number, half: number): number {
  const m = value / 2;
  let term = Math.exp(-m);
  let sum = term;
  for (let i = 1; i < half; i++) {
    term *= m / i;
    sum += term;
  }
  return Math.min(sum, 1);
}
