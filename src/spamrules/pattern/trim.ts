// Takes off the ends of a pattern what only makes a match longer: "x*foo.{0,9}" is found exactly where "foo" is. For rules that only
// ask whether they hit; this is what keeps leading ".*" from reading a text once per octet. Used by translate.ts.
import { EMPTY, type Node, sequence, type Tree } from "./syntax.ts";

/** The same pattern as far as "is there a match in this text" goes. */
export function trim(tree: Tree): Node {
  const needed = (number: number): boolean => tree.referenced.has(number);
  return trimEnd(trimStart(tree.root, needed), needed);
}

type Needed = (group: number) => boolean;

function trimStart(node: Node, needed: Needed): Node {
  switch (node.kind) {
    case "repeat":
      if (node.mode === "possessive") return node;
      if (holdsNeeded(node.of, needed)) return node;
      if (node.min === 0) return EMPTY;
      if (node.min === 1) return trimStart(node.of, needed);
      return { ...node, max: node.min };
    case "sequence": {
      for (let at = 0; at < node.items.length; at++) {
        const rest = trimStart(node.items[at]!, needed);
        if (rest.kind !== "empty") return sequence([rest, ...node.items.slice(at + 1)]);
      }
      return EMPTY;
    }
    case "choice":
      return trimChoice(node.items, (item) => trimStart(item, needed));
    case "group":
      return needed(node.number) ? node : trimStart(node.of, needed);
    default:
      return node;
  }
}

function trimEnd(node: Node, needed: Needed): Node {
  switch (node.kind) {
    case "repeat":
      if (holdsNeeded(node.of, needed)) return node;
      if (node.min === 0) return EMPTY;
      if (node.min === 1) return trimEnd(node.of, needed);
      return { ...node, max: node.min };
    case "sequence": {
      for (let at = node.items.length - 1; at >= 0; at--) {
        const rest = trimEnd(node.items[at]!, needed);
        if (rest.kind !== "empty") return sequence([...node.items.slice(0, at), rest]);
      }
      return EMPTY;
    }
    case "choice":
      return trimChoice(node.items, (item) => trimEnd(item, needed));
    case "group":
      return needed(node.number) ? node : trimEnd(node.of, needed);
    default:
      return node;
  }
}

/** One alternative that may be left out makes the others needless. */
function trimChoice(items: readonly Node[], trimmed: (item: Node) => Node): Node {
  const rest = items.map(trimmed);
  if (rest.some((item) => item.kind === "empty")) return EMPTY;
  return { kind: "choice", items: rest };
}

function holdsNeeded(node: Node, needed: Needed): boolean {
  switch (node.kind) {
    case "group":
      return needed(node.number) || holdsNeeded(node.of, needed);
    case "sequence":
    case "choice":
      return node.items.some((item) => holdsNeeded(item, needed));
    case "repeat":
    case "look":
    case "atomic":
      return holdsNeeded(node.of, needed);
    default:
      return false;
  }
}
