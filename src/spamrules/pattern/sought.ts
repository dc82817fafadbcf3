// What the prefilter looks for in a text on behalf of one pattern, in a shape that travels as JSON. Made by facts.ts, used by
// prefilter.ts.
import { chanceOfClause, type Clause, clausesOf } from "./literals.ts";
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
/** A clause that no text fulfils. */
const NEVER: Sought = { clauses: [[]], windows: [] };

/** null: nothing matches it. */
export function soughtIn(root: Node | null): Sought {
  if (root === null) return NEVER;
  const clauses = clausesOf(root);
  const chance = clauses.reduce((product, clause) => product * chanceOfClause(clause), 1);
  const windows = chance < RARE ? [] : rarestWindows(root);
  return { clauses, windows: windows.map((window) => window.map(written)) };
}

function written(set: OctetSet): string {
  return set.isAny() ? "" : String.fromCharCode(...set.octets);
}
