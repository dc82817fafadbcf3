// Patterns that can take exponentially long to fail: a repetition without end of something that is itself such a repetition and
// nothing else, as in (a+)+, or of alternatives that begin alike, as in (a|ab?)*. Only noted; the deadline of a message stops them.
import { OctetSet } from "./octet-set.ts";
import type { Node } from "./syntax.ts";

/** What is dangerous about it, for the operator; null when nothing is seen. */
export function dangerIn(root: Node): string | null {
  return find(root);
}

function find(node: Node): string | null {
  switch (node.kind) {
    case "sequence":
    case "choice":
      for (const item of node.items) {
        const found = find(item);
        if (found !== null) return found;
      }
      return null;
    case "repeat":
      if (node.max === Infinity && node.mode !== "possessive") {
        if (isEndless(node.of)) return "nested quantifiers can take exponentially long";
        if (isAmbiguous(node.of)) {
          return "a repetition of alternatives that match the same octet can take exponentially long";
        }
      }
      return find(node.of);
    case "group":
    case "look":
      return find(node.of);
    default:
      return null;
  }
}

/** Whether it can be matched by one repetition without end and nothing else. */
function isEndless(node: Node): boolean {
  switch (node.kind) {
    case "repeat":
      return (
        node.mode !== "possessive" &&
        (node.max === Infinity || (node.max === 1 && isEndless(node.of)))
      );
    case "group":
      return isEndless(node.of);
    case "choice":
      return node.items.some(isEndless);
    case "sequence": {
      const needed = node.items.filter((item) => !isOptional(item));
      if (needed.length > 1) return false;
      return needed.length === 1 ? isEndless(needed[0]!) : node.items.some(isEndless);
    }
    default:
      return false;
  }
}

function isOptional(node: Node): boolean {
  if (node.kind === "repeat") return node.min === 0;
  if (node.kind === "group") return isOptional(node.of);
  return node.kind === "empty";
}

/** Alternatives of single octets, two of which share one. */
function isAmbiguous(node: Node): boolean {
  if (node.kind === "group") return isAmbiguous(node.of);
  if (node.kind !== "choice") return false;
  const seen = new OctetSet();
  for (const item of node.items) {
    if (item.kind !== "octets") continue;
    if (seen.intersects(item.set)) return true;
    seen.addAll(item.set);
  }
  return false;
}
