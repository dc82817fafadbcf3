// What Perl compiles with a warning, and SpamAssassin therefore refuses: it takes each warning for a mistake, and so it is nearly always.
// Used by parse.ts.
import { type Node, Untranslatable } from "./syntax.ts";

/** Octets that a look behind may need at most. */
const MOST_BEHIND = 255;
const MOST_TIMES = 65_534;
const CLASS_ALONE = /\[([:=.])\^?[A-Za-z]*\1\]/y;

/** Throws for what is repeated in vain (edges and looks; what may be left out, a few times, is fine) or more often than Perl counts. */
export function checkRepeat(of: Node, min: number, max: number): void {
  if (min > MOST_TIMES || (max !== Infinity && max > MOST_TIMES))
    throw new Untranslatable(`quantifier in {,} bigger than ${MOST_TIMES}`);
  if ((min > 0 || max === Infinity) && takesNothing(of))
    throw new Untranslatable("quantifier on something that takes no octets");
}

/** Throws for a "{" that begins no quantifier behind what could have one; `last` is the last octet of that. */
export function checkBrace(of: Node, last: string | undefined): void {
  const isStart = of.kind === "edge" && of.edge !== "end" && last === "^";
  if (isStart || of.kind === "empty") return;
  throw new Untranslatable('"{" begins no quantifier and has no backslash');
}

/** Throws for [:alpha:] where [[:alpha:]] is meant. `at` is where the "[" stands. */
export function checkClass(source: string, at: number): void {
  CLASS_ALONE.lastIndex = at;
  const found = CLASS_ALONE.exec(source)?.[0];
  if (found !== undefined)
    throw new Untranslatable(`${found} has a meaning only within another pair of brackets`);
}

/** Throws when a look behind may need more octets than Perl looks back. */
export function checkBehind(of: Node): void {
  if (widest(of) > MOST_BEHIND)
    throw new Untranslatable(`lookbehind longer than ${MOST_BEHIND} octets`);
}

function takesNothing(node: Node): boolean {
  switch (node.kind) {
    case "edge":
    case "look":
      return true;
    case "group":
    case "atomic":
      return takesNothing(node.of);
    case "sequence":
    case "choice":
      return node.items.every(takesNothing);
    default:
      return false;
  }
}

/** Octets that a match may take at most. */
function widest(node: Node): number {
  switch (node.kind) {
    case "octets":
      return 1;
    case "sequence":
      return node.items.reduce((sum, item) => sum + widest(item), 0);
    case "choice":
      return node.items.reduce((most, item) => Math.max(most, widest(item)), 0);
    case "repeat": {
      const one = widest(node.of);
      return one === 0 || node.max === 0 ? 0 : one * node.max;
    }
    case "group":
    case "atomic":
      return widest(node.of);
    case "back":
    case "tag":
      return Infinity;
    case "empty":
    case "look":
    case "edge":
      return 0;
  }
}
