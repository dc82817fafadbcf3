// How long a text has to be at least for a pattern to match it: what asks for nine words need not look at a line of three. Used by
// facts.ts.
import type { Node } from "./syntax.ts";

/** Longer ones are as good as this. */
const ENOUGH = 1_000_000;

/** Octets that any match takes; errs on the short side. */
export function shortestMatch(node: Node): number {
  switch (node.kind) {
    case "octets":
      return 1;
    case "sequence": {
      let sum = 0;
      for (const item of node.items) sum += shortestMatch(item);
      return Math.min(sum, ENOUGH);
    }
    case "choice":
      return node.items.reduce((least, item) => Math.min(least, shortestMatch(item)), ENOUGH);
    case "repeat":
      return node.min === 0 ? 0 : Math.min(node.min * shortestMatch(node.of), ENOUGH);
    case "group":
    case "atomic":
      return shortestMatch(node.of);
    case "empty":
    case "look":
    case "back":
    case "edge":
    case "tag":
      return 0;
  }
}
