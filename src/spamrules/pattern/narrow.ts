// What is left of a pattern for texts of plain octets only. Rules that look for words in any disguise list hundreds of foreign letters,
// which most texts have none of: without them such a pattern is a tenth as large, and much more is known of what it matches. Used by
// translate.ts and prefilter.ts.
import { OctetSet } from "./octet-set.ts";
import { EMPTY, type Node, sequence, type Tree } from "./syntax.ts";

/** ASCII without "&", with which references to characters begin. */
const PLAIN = OctetSet.ranges([0x00, 0x25], [0x27, 0x7f]);
const NOT_PLAIN = /[&\x80-\xff]/;
/** Larger classes are mostly "all but these", which need no smaller text. */
const LARGE = 128;

export function isPlain(text: string): boolean {
  return !NOT_PLAIN.test(text);
}

/** For the same answers about plain texts; null: no plain text matches. The node itself where there is nothing to take away. */
export function narrowed(node: Node, tree: Tree): Node | null {
  // What a group that is gone has captured would be something else than nothing.
  return tree.referenced.size > 0 || tree.tags.size > 0 ? node : narrow(node);
}

function narrow(node: Node): Node | null {
  switch (node.kind) {
    case "octets": {
      const set = narrowSet(node.set);
      if (set === null || set === node.set) return set === null ? null : node;
      return { kind: "octets", set };
    }
    case "sequence":
      return narrowSequence(node.items, node);
    case "choice": {
      const items = node.items.map(narrow).filter((item) => item !== null);
      if (items.length === 0) return null;
      if (items.length === 1) return items[0]!;
      return same(items, node.items) ? node : { kind: "choice", items };
    }
    case "repeat": {
      const of = narrow(node.of);
      if (of === null) return node.min === 0 ? EMPTY : null;
      return of === node.of ? node : { ...node, of };
    }
    case "look": {
      const of = narrow(node.of);
      if (of === null) return node.negative ? EMPTY : null;
      return of === node.of ? node : { ...node, of };
    }
    case "group":
    case "atomic": {
      const of = narrow(node.of);
      if (of === null || of === node.of) return of === null ? null : node;
      return { ...node, of };
    }
    default:
      return node;
  }
}

function narrowSequence(all: readonly Node[], whole: Node): Node | null {
  const items: Node[] = [];
  for (const one of all) {
    const item = narrow(one);
    if (item === null) return null;
    items.push(item);
  }
  return same(items, all) ? whole : sequence(items);
}

function same(some: readonly Node[], others: readonly Node[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

const narrowSets = new WeakMap<OctetSet, OctetSet | false>();

function narrowSet(set: OctetSet): OctetSet | null {
  let known = narrowSets.get(set);
  if (known === undefined) {
    const left = OctetSet.of(...set.octets.filter((octet) => PLAIN.has(octet)));
    if (left.size === 0) known = false;
    else known = left.size === set.size || set.size > LARGE ? set : left;
    narrowSets.set(set, known);
  }
  return known === false ? null : known;
}
