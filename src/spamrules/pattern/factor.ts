// Writes what alternatives have in common at their beginning once: "name|number|nation" becomes "n(?:ame|umber|ation)", so that a text
// is compared with "n" once and not three times. V8 does so for words of letters only. Used by translate.ts.
import { ANY, OctetSet } from "./octet-set.ts";
import { EMPTY, type Node, sequence } from "./syntax.ts";

/** Alternatives with more stay as they are: they are not words. */
const MOST_ITEMS = 400;

/** The same matches in the same order, with the same groups. */
export function factored(node: Node): Node {
  switch (node.kind) {
    case "sequence": {
      const items = node.items.map(factored);
      return items.every((item, at) => item === node.items[at]) ? node : sequence(items);
    }
    case "choice":
      return choice(node.items.map(factored), node);
    case "repeat":
    case "group":
    case "atomic": {
      const of = factored(node.of);
      return of === node.of ? node : { ...node, of };
    }
    case "look": {
      // A look behind reads from the end: there beginnings in common save nothing.
      const of = node.behind ? node.of : factored(node.of);
      return of === node.of ? node : { ...node, of };
    }
    default:
      return node;
  }
}

/** Alternatives that begin alike, in order, and what any of them may begin with. */
interface Bucket {
  readonly items: Node[];
  readonly lead: OctetSet | null;
  readonly starts: OctetSet;
}

function choice(items: readonly Node[], whole: Node & { readonly kind: "choice" }): Node {
  const same = items.every((item, at) => item === whole.items[at]);
  const asBefore: Node = same ? whole : { kind: "choice", items };
  if (items.length > MOST_ITEMS) return asBefore;
  const buckets: Bucket[] = [];
  for (const item of items) {
    const lead = leadOf(item, 0);
    const starts = lead ?? startsOf(item);
    const bucket = lead === null ? null : reachable(buckets, lead);
    if (bucket === null) buckets.push({ items: [item], lead, starts });
    else bucket.items.push(item);
  }
  if (buckets.length === items.length) return asBefore;
  const joined = buckets.map((bucket) => joinedOf(bucket.items));
  return joined.length === 1 ? joined[0]! : { kind: "choice", items: joined };
}

/** The bucket with this lead, when nothing behind it could match where the lead does: else the order would be another. */
function reachable(buckets: readonly Bucket[], lead: OctetSet): Bucket | null {
  for (let at = buckets.length - 1; at >= 0; at--) {
    const bucket = buckets[at]!;
    if (bucket.lead?.equals(lead) === true) return bucket;
    if (bucket.starts.intersects(lead)) return null;
  }
  return null;
}

function joinedOf(items: readonly Node[]): Node {
  const [first] = items;
  if (items.length === 1) return first!;
  let length = 1;
  for (; ; length++) {
    const lead = leadOf(first!, length);
    if (lead === null || !items.every((item) => leadOf(item, length)?.equals(lead) === true)) break;
  }
  const rests = items.map((item) => restOf(item, length));
  const rest: Node = { kind: "choice", items: rests };
  return sequence([...partsOf(first!).slice(0, length), choice(rests, rest)]);
}

function partsOf(item: Node): readonly Node[] {
  return item.kind === "sequence" ? item.items : [item];
}

/** The octets at a place of the beginning; null: something else is there. */
function leadOf(item: Node, at: number): OctetSet | null {
  const part = partsOf(item)[at];
  return part?.kind === "octets" ? part.set : null;
}

function restOf(item: Node, from: number): Node {
  const parts = partsOf(item).slice(from);
  return parts.length === 0 ? EMPTY : sequence(parts);
}

/** What a match may begin with; all where it may be empty, or where it is not looked at closely. */
function startsOf(node: Node): OctetSet {
  switch (node.kind) {
    case "octets":
      return node.set;
    case "sequence": {
      const first = node.items[0];
      return first === undefined ? ANY : startsOf(first);
    }
    case "choice": {
      const starts = new OctetSet();
      for (const item of node.items) starts.addAll(startsOf(item));
      return starts;
    }
    case "repeat":
      return node.min === 0 ? ANY : startsOf(node.of);
    case "group":
    case "atomic":
      return startsOf(node.of);
    default:
      return ANY;
  }
}
