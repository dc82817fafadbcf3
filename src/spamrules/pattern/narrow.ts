// What is left of a pattern for texts of few octets only. Rules that look for words in any disguise list hundreds of foreign letters,
// which most texts have none of: without them such a pattern is a tenth as large, and much more is known of what it matches. Used by
// translate.ts and facts.ts.
import { OctetSet } from "./octet-set.ts";
import { EMPTY, type Node, sequence, type Tree } from "./syntax.ts";

/**
 * What a text is made of. plain: ASCII. western: besides that the octets of UTF-8 with which accents, dashes and quotation marks of
 * western languages are written. Neither has a reference to a character by its number, as in "&#65;". any: whatever.
 */
export type Alphabet = "plain" | "western" | "any";

const OCTETS = {
  plain: OctetSet.ranges([0x00, 0x7f]),
  western: OctetSet.ranges([0x00, 0xbf], [0xc2, 0xc3], [0xe2, 0xe2]),
};
const NOT_PLAIN = /&#|[\x80-\xff]/;
const NOT_WESTERN = /&#|[\xc0\xc1\xc4-\xe1\xe3-\xff]/;
/** Larger classes are mostly "all but these", which need no smaller text. */
const LARGE = 128;
const AMPERSAND = OctetSet.of(0x26);
const NUMBER_SIGN = OctetSet.of(0x23);

export function alphabetOf(text: string): Alphabet {
  if (!NOT_PLAIN.test(text)) return "plain";
  return NOT_WESTERN.test(text) ? "any" : "western";
}

/** For the same answers about such texts; null: none matches. The node itself where there is nothing to take away. */
export function narrowed(node: Node, tree: Tree, alphabet: Alphabet): Node | null {
  if (alphabet === "any") return node;
  // What a group that is gone has captured would be something else than nothing.
  return tree.referenced.size > 0 || tree.tags.size > 0 ? node : narrow(node, alphabet);
}

type Small = Exclude<Alphabet, "any">;

function narrow(node: Node, alphabet: Small): Node | null {
  switch (node.kind) {
    case "octets": {
      const set = narrowSet(node.set, alphabet);
      if (set === null || set === node.set) return set === null ? null : node;
      return { kind: "octets", set };
    }
    case "sequence":
      return narrowSequence(node.items, node, alphabet);
    case "choice": {
      const items = node.items
        .map((item) => narrow(item, alphabet))
        .filter((item) => item !== null);
      if (items.length === 0) return null;
      if (items.length === 1) return items[0]!;
      return same(items, node.items) ? node : { kind: "choice", items };
    }
    case "repeat": {
      const of = narrow(node.of, alphabet);
      if (of === null) return node.min === 0 ? EMPTY : null;
      return of === node.of ? node : { ...node, of };
    }
    case "look": {
      const of = narrow(node.of, alphabet);
      if (of === null) return node.negative ? EMPTY : null;
      return of === node.of ? node : { ...node, of };
    }
    case "group":
    case "atomic": {
      const of = narrow(node.of, alphabet);
      if (of === null || of === node.of) return of === null ? null : node;
      return { ...node, of };
    }
    default:
      return node;
  }
}

function narrowSequence(all: readonly Node[], whole: Node, alphabet: Small): Node | null {
  const items: Node[] = [];
  for (let at = 0; at < all.length; at++) {
    const item = narrow(all[at]!, alphabet);
    if (item === null || (is(item, NUMBER_SIGN) && is(all[at - 1], AMPERSAND))) return null;
    items.push(item);
  }
  return same(items, all) ? whole : sequence(items);
}

function is(node: Node | undefined, set: OctetSet): boolean {
  return node?.kind === "octets" && node.set.equals(set);
}

function same(some: readonly Node[], others: readonly Node[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

const narrowSets = {
  plain: new WeakMap<OctetSet, OctetSet | false>(),
  western: new WeakMap<OctetSet, OctetSet | false>(),
};

function narrowSet(set: OctetSet, alphabet: Small): OctetSet | null {
  let known = narrowSets[alphabet].get(set);
  if (known === undefined) {
    const left = OctetSet.of(...set.octets.filter((octet) => OCTETS[alphabet].has(octet)));
    if (left.size === 0) known = false;
    else known = left.size === set.size || set.size > LARGE ? set : left;
    narrowSets[alphabet].set(set, known);
  }
  return known === false ? null : known;
}
