// What must stand in a text for a pattern to match it: for each pattern some clauses, each a set of short texts of which at least one
// is in every match. Texts are folded (fold() below), so a clause may be met where the pattern does not match, never the reverse.
// Used by prefilter.ts.
import { otherCase, SPACE } from "./octet-set.ts";
import type { OctetSet } from "./octet-set.ts";
import type { Node, Repeat } from "./syntax.ts";

export type Clause = readonly string[];

/** Texts of one clause. */
const MAX_TEXTS = 320;
/** Octets of one text. */
const MAX_OCTETS = 12;
/** A clause of this chance is met in every second line: it sorts little out. */
export const OFTEN_ENOUGH = 0.003;
/** Octets that one class may stand for. */
const MAX_CLASS = 26;
const MAX_COPIES = 6;

/** Lower case, white space as a blank. */
export const FOLD: Uint8Array = Uint8Array.from({ length: 256 }, (_, octet) => {
  if (SPACE.has(octet)) return 0x20;
  const other = otherCase(octet);
  return other > octet ? other : octet;
});

/** How often an octet comes, roughly, in mail: per 10,000. Octets that are not named: 4. */
const OFTEN = new Float64Array(256).fill(4);
for (const [octet, per10000] of Object.entries({
  " ": 1400,
  e: 900,
  t: 700,
  a: 620,
  o: 600,
  i: 560,
  n: 540,
  s: 510,
  r: 500,
  h: 320,
  l: 320,
  d: 300,
  c: 260,
  u: 220,
  m: 220,
  p: 190,
  f: 150,
  g: 160,
  y: 130,
  w: 130,
  b: 120,
  v: 80,
  k: 60,
  x: 30,
  j: 20,
  q: 10,
  z: 15,
  ".": 200,
  ",": 80,
  "/": 90,
  "-": 120,
  ":": 70,
  "=": 90,
  '"': 80,
  "<": 70,
  ">": 70,
  "'": 30,
  "0": 110,
  "1": 90,
  "2": 90,
  "3": 60,
  "4": 50,
  "5": 50,
  "6": 40,
  "7": 40,
  "8": 40,
  "9": 40,
  "@": 20,
  _: 20,
  "(": 20,
  ")": 20,
  "!": 15,
  "?": 15,
  ";": 30,
  "&": 20,
})) {
  OFTEN[octet.charCodeAt(0)] = per10000;
}

for (let letter = 0x41; letter <= 0x5a; letter++) OFTEN[letter] = OFTEN[letter + 0x20]! / 10;

/** Words that come far oftener than their letters say. */
const COMMON = [
  "http",
  "www",
  "the",
  "ing",
  "and",
  "you",
  "com",
  "our",
  "tion",
  "for",
  "this",
  "from",
  "your",
  "://",
];

/** Chance that the text starts at an octet of mail. */
export function chanceOf(text: string): number {
  let chance = 1;
  for (let at = 0; at < text.length; at++) chance *= OFTEN[text.charCodeAt(at)]! / 10_000;
  if (text.length < 8 && COMMON.some((word) => text.startsWith(word))) chance *= 40;
  return Math.max(chance, 1e-9);
}

const ALL_OFTEN = OFTEN.reduce((sum, weight) => sum + weight, 0);

/** Chance that an octet of mail is one of these. */
export function often(set: OctetSet): number {
  let sum = 0;
  for (let octet = 0; octet < 256; octet++) if (set.has(octet)) sum += OFTEN[octet]!;
  return sum / ALL_OFTEN;
}

export function chanceOfClause(clause: Clause): number {
  let chance = 0;
  for (const text of clause) chance += chanceOf(text);
  return chance;
}

/** The clauses that are worth asking for, the rarest first; empty when any text may match. */
export function clausesOf(root: Node): Clause[] {
  const found = weigh(root);
  const all = found.exact === null ? found.clauses : [...found.clauses, found.exact];
  const usable = all.filter((clause) => clause.every((text) => text !== "")).map(shortest);
  const ranked = usable.map((clause) => ({ clause, chance: chanceOfClause(clause) }));
  ranked.sort((one, other) => one.chance - other.chance);
  const chosen: Clause[] = [];
  let product = 1;
  for (const { clause, chance } of ranked) {
    if (chosen.length > 0 && (chance > OFTEN_ENOUGH || product < 1e-8 || chosen.length === 6))
      break;
    if (chosen.some((other) => sameTexts(other, clause))) continue;
    chosen.push(clause);
    product *= chance;
  }
  return chosen;
}

/** Texts of which one is in every match, the rarest that can be told; null when there are none. */
export function requiredOf(node: Node): Clause | null {
  const best = bestOf(everyClause(weigh(node)));
  return best === null ? null : shortest(best);
}

/** Without texts that hold another of the clause. */
function shortest(clause: Clause): Clause {
  const texts = [...new Set(clause)].sort((one, other) => one.length - other.length);
  const kept: string[] = [];
  for (const text of texts) if (!kept.some((other) => text.includes(other))) kept.push(text);
  return kept;
}

function sameTexts(one: Clause, other: Clause): boolean {
  return one.length === other.length && one.every((text) => other.includes(text));
}

/** What is known of the texts that a node matches, folded. */
interface Weighed {
  /** All of them; null when they are too many. */
  readonly exact: Clause | null;
  /** Each begins with one of these, and ends with one of those; [""] says nothing. */
  readonly starts: Clause;
  readonly ends: Clause;
  readonly clauses: readonly Clause[];
}

const NOTHING: Clause = [""];
const ANYTHING: Weighed = { exact: null, starts: NOTHING, ends: NOTHING, clauses: [] };
const NO_TEXT: Weighed = { exact: NOTHING, starts: NOTHING, ends: NOTHING, clauses: [] };

function exactly(texts: Clause, clauses: readonly Clause[] = []): Weighed {
  return { exact: texts, starts: texts, ends: texts, clauses };
}

function weigh(node: Node): Weighed {
  switch (node.kind) {
    case "empty":
    case "edge":
      return NO_TEXT;
    case "octets":
      return weighSet(node.set);
    case "sequence":
      return weighSequence(node.items.map(weigh));
    case "choice":
      return weighChoice(node.items.map(weigh));
    case "repeat":
      return weighRepeat(node);
    case "group":
    case "atomic":
      return weigh(node.of);
    case "look":
      return node.negative ? NO_TEXT : { ...NO_TEXT, clauses: everyClause(weigh(node.of)) };
    case "back":
    case "tag":
      return ANYTHING;
  }
}

const ofSets = new WeakMap<OctetSet, Weighed>();

function weighSet(set: OctetSet): Weighed {
  let weighed = ofSets.get(set);
  if (weighed === undefined) {
    const folded = new Set<string>();
    for (const octet of set.octets) folded.add(String.fromCharCode(FOLD[octet]!));
    weighed = folded.size <= MAX_CLASS ? exactly([...folded]) : ANYTHING;
    ofSets.set(set, weighed);
  }
  return weighed;
}

function everyClause({ exact, clauses }: Weighed): readonly Clause[] {
  return exact === null || exact.includes("") ? clauses : [...clauses, exact];
}

/** One that holds for any of the alternatives: their best ones together. */
function weighChoice(items: readonly Weighed[]): Weighed {
  const exact = joined(items.map((item) => item.exact));
  if (exact !== null) return exactly(exact, items.length === 1 ? items[0]!.clauses : []);
  const best = items.map((item) => bestOf(everyClause(item)));
  const clause = joined(best);
  return {
    exact: null,
    starts: joined(items.map((item) => item.starts)) ?? NOTHING,
    ends: joined(items.map((item) => item.ends)) ?? NOTHING,
    clauses: clause === null ? [] : [clause],
  };
}

function joined(parts: readonly (Clause | null)[]): Clause | null {
  const all = new Set<string>();
  for (const part of parts) {
    if (part === null) return null;
    for (const text of part) all.add(text);
    if (all.size > MAX_TEXTS) return null;
  }
  return [...all];
}

function bestOf(clauses: readonly Clause[]): Clause | null {
  let best: Clause | null = null;
  for (const clause of clauses) {
    if (clause.includes("")) continue;
    if (best === null || chanceOfClause(clause) < chanceOfClause(best)) best = clause;
  }
  return best;
}

/** Neighbours grow together to longer texts as long as they are few. */
function weighSequence(items: readonly Weighed[]): Weighed {
  const clauses: Clause[] = [];
  let current: Clause = NOTHING;
  let previous: Clause = NOTHING;
  let whole = true;
  let starts: Clause | null = null;
  const cut = (next: Clause): void => {
    if (!current.includes("")) clauses.push(current);
    starts ??= current;
    whole = false;
    current = next;
  };
  for (const item of items) {
    clauses.push(...item.clauses);
    const entry = item.exact ?? item.starts;
    let grown = times(current, entry);
    if (grown === null) {
      // Too many: what came before is one clause, and the piece before this one also begins the next.
      const overlap = times(previous, entry);
      cut(overlap === null ? entry : previous);
      grown = overlap ?? entry;
    }
    current = grown;
    if (item.exact === null) cut(item.ends);
    previous = item.exact ?? item.ends;
  }
  if (whole) return exactly(current, clauses);
  if (!current.includes("")) clauses.push(current);
  return { exact: null, starts: starts ?? NOTHING, ends: current, clauses };
}

/** Each text of one followed by each of the other; null when they are too many or too long. */
function times(one: Clause, other: Clause): Clause | null {
  if (one.length === 1 && one[0] === "") return other;
  if (other.length === 1 && other[0] === "") return one;
  if (one.length * other.length > MAX_TEXTS) return null;
  const all = new Set<string>();
  for (const first of one) {
    for (const second of other) {
      if (first.length + second.length > MAX_OCTETS) return null;
      all.add(first + second);
    }
  }
  return [...all];
}

function weighRepeat({ of, min, max }: Repeat): Weighed {
  const one = weigh(of);
  if (min === 0) {
    if (max !== 1 || one.exact === null) return ANYTHING;
    return exactly([...new Set([...one.exact, ""])]);
  }
  const copies = Array.from({ length: Math.min(min, MAX_COPIES) }, () => one);
  if (min === max && min <= MAX_COPIES) return weighSequence(copies);
  const times = weighSequence(copies);
  return {
    exact: null,
    starts: times.exact ?? times.starts,
    ends: times.exact ?? times.ends,
    clauses: everyClause(times),
  };
}
