// What a match may begin with, written before a pattern as a lookahead: a pattern that begins with much that may be left out is tried in
// vain at nearly every place of a text, one part after the other, where three octets would tell. Used by translate.ts.
import { chanceOf, FOLD } from "./literals.ts";
import { type OctetSet, SPACE, single } from "./octet-set.ts";
import { EMPTY, type Node, sequence } from "./syntax.ts";

/** Octets of a beginning. */
const LENGTH = 3;
const MOST = 400;
/** Classes with more octets may as well be any. */
const LARGE = 30;
/** With fewer, V8 is as fast by itself. */
const FEWEST = 20;
/** The chance that a place of a text begins so: beginnings that come oftener say too little. */
const TOO_OFTEN = 0.12;

/** The same pattern, or the very node where nothing would be gained. */
export function withBeginnings(root: Node): Node {
  const first = root.kind === "sequence" ? root.items[0]! : root;
  if (first.kind === "edge" || first.kind === "octets" || first.kind === "look") return root;
  const all = beginningsOf(root);
  if (all === null || all.length < FEWEST || all.some((text) => text.length < 2)) return root;
  const chance = all.reduce((sum, text) => sum + chanceOf(text), 0);
  return chance > TOO_OFTEN ? root : sequence([ahead(all), root]);
}

/** Folded texts (literals.ts) with one of which every match begins; null: too many. */
export function beginningsOf(root: Node): readonly string[] | null {
  const whole = new Set<string>();
  const open = walk(root, new Set([""]), whole);
  return open === null ? null : [...new Set([...whole, ...open])];
}

export function ahead(texts: readonly string[]): Node {
  return { kind: "look", behind: false, negative: false, of: anyOf(texts) };
}

/** What `open` texts may go on with; those that are long enough, or go on with anything, are added to `whole`. null: too many. */
function walk(node: Node, open: Set<string>, whole: Set<string>): Set<string> | null {
  if (open.size === 0) return open;
  switch (node.kind) {
    case "octets":
      return extended(node.set, open, whole);
    case "sequence": {
      let here: Set<string> | null = open;
      for (const item of node.items) {
        here = walk(item, here, whole);
        if (here === null) return null;
      }
      return here;
    }
    case "choice": {
      const after = new Set<string>();
      for (const item of node.items) {
        const here = walk(item, open, whole);
        if (here === null) return null;
        for (const text of here) after.add(text);
      }
      return after;
    }
    case "repeat":
      return repeated(node, open, whole);
    case "group":
    case "atomic":
      return walk(node.of, open, whole);
    case "back":
    case "tag":
      for (const text of open) whole.add(text);
      return new Set();
    case "empty":
    case "edge":
    case "look":
      return open;
  }
}

function repeated(
  { of, min, max }: Node & { readonly kind: "repeat" },
  open: Set<string>,
  whole: Set<string>,
): Set<string> | null {
  const after = new Set<string>(min === 0 ? open : []);
  let here: Set<string> | null = open;
  for (let times = 1; times <= max && times <= min + LENGTH && here.size > 0; times++) {
    here = walk(of, here, whole);
    if (here === null) return null;
    if (times >= min) for (const text of here) after.add(text);
  }
  return after;
}

function extended(set: OctetSet, open: Set<string>, whole: Set<string>): Set<string> | null {
  if (set.size > LARGE) {
    for (const text of open) whole.add(text);
    return new Set();
  }
  const after = new Set<string>();
  for (const text of open) {
    for (const octet of set.octets) {
      const longer = text + String.fromCharCode(FOLD[octet]!);
      (longer.length < LENGTH ? after : whole).add(longer);
    }
  }
  return after.size + whole.size > MOST ? null : after;
}

/** A tree of them: octets with the same texts behind them stand together. */
function anyOf(texts: readonly string[]): Node {
  if (texts.includes("")) return EMPTY;
  const rests = new Map<string, string[]>();
  for (const text of texts) {
    const known = rests.get(text[0]!);
    if (known === undefined) rests.set(text[0]!, [text.slice(1)]);
    else known.push(text.slice(1));
  }
  const alike = Map.groupBy(rests, ([, rest]) => JSON.stringify(rest.sort()));
  const items = [...alike.values()].map((same) => {
    const set = same.map(([octet]) => either(octet)).reduce(union);
    return sequence([{ kind: "octets", set }, anyOf(same[0]![1])]);
  });
  return items.length === 1 ? items[0]! : { kind: "choice", items };
}

function either(folded: string): OctetSet {
  return folded === " " ? SPACE : single(folded.charCodeAt(0), true);
}

function union(one: OctetSet, other: OctetSet): OctetSet {
  const both = one.copy();
  both.addAll(other);
  return both;
}
