// Quantifiers of Perl patterns, "{,3}" of Perl 5.34 among them. Used by parse.ts.
import { type Mode } from "./syntax.ts";

export interface Quantifier {
  readonly min: number;
  readonly max: number;
  readonly mode: Mode;
  readonly end: number;
}

const QUANTIFIER = /(?:([*+?])|\{[ \t]*(\d*)[ \t]*(?:(,)[ \t]*(\d*)[ \t]*)?\})([?+]?)/y;

/** The quantifier at `at`; null when there is none: "{" then stands for itself. */
export function readQuantifier(source: string, at: number): Quantifier | null {
  QUANTIFIER.lastIndex = at;
  const found = QUANTIFIER.exec(source);
  if (found === null) return null;
  const [whole, sign, low = "", comma, high = "", suffix] = found;
  if (sign === undefined && low === "" && high === "") return null;
  const end = at + whole.length;
  const mode = suffix === "?" ? "lazy" : suffix === "+" ? "possessive" : "greedy";
  if (sign !== undefined) {
    return { min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Infinity, mode, end };
  }
  const min = Number(low);
  const max = comma === undefined ? min : high === "" ? Infinity : Number(high);
  return { min, max, mode, end };
}
