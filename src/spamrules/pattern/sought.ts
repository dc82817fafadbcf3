// What the prefilter looks for in a text on behalf of one pattern, in a shape that travels as JSON. Made by facts.ts, used by
// prefilter.ts.
import { chanceOf, chanceOfClause, type Clause, clausesOf, OFTEN_ENOUGH } from "./literals.ts";
import type { OctetSet } from "./octet-set.ts";
import type { Node } from "./syntax.ts";
import { rarestWindows } from "./windows.ts";

/** A set of octets for each of some neighbouring places; "" where there may be any, and where the text may have ended. */
export type SoughtWindow = readonly string[];

export interface Sought {
  /** Each is in every match, with one of its texts at least. */
  readonly clauses: readonly Clause[];
  /** One of them has to be there; none: nothing known. */
  readonly windows: readonly SoughtWindow[];
}

/** Clauses that come oftener than this together want a window beside them. */
const RARE = 1e-5;
/** A clause that comes oftener is in every line. */
const USELESS = 0.05;
/** Octets of a text that are looked for: more make the automaton larger, which slows it down, and hardly anything rarer. */
const LONGEST = 6;
/** A clause that no text fulfils. */
const NEVER: Sought = { clauses: [[]], windows: [] };

/** null: nothing matches it. */
export function soughtIn(root: Node | null): Sought {
  if (root === null) return NEVER;
  const clauses = clausesOf(root);
  const chances = clauses.map(chanceOfClause);
  const isRare = chances.reduce((product, chance) => product * chance, 1) < RARE;
  const windows = isRare ? [] : rarestWindows(root).map((window) => window.map(written));
  const most = windows.length === 0 ? USELESS : OFTEN_ENOUGH;
  const kept = clauses.filter((_, at) => chances[at]! < most);
  return { clauses: kept.map((clause) => [...new Set(clause.map(rarestOf))]), windows };
}

/** What of a text comes least often. */
function rarestOf(text: string): string {
  if (text.length <= LONGEST) return text;
  let rarest = "";
  for (let at = 0; at + LONGEST <= text.length; at++) {
    const piece = text.slice(at, at + LONGEST);
    if (rarest === "" || chanceOf(piece) < chanceOf(rarest)) rarest = piece;
  }
  return rarest;
}

function written(set: OctetSet): string {
  return set.isAny() ? "" : String.fromCharCode(...set.octets);
}
