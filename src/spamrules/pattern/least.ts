// Patterns that ask for something several times over, such as a form with five lines to fill in: how often which texts must be there at
// least. A cheap question before a dear one. Used by evaluate/.
import { chanceOfClause, requiredOf } from "./literals.ts";
import { otherCase } from "./octet-set.ts";
import type { Node, Repeat } from "./syntax.ts";

/** What is counted, as a pattern of V8's, and how often it must be there; travels as JSON. */
export interface LeastSought {
  readonly source: string;
  readonly times: number;
}

export interface Least {
  readonly texts: Texts;
  readonly times: number;
}

/** Texts of which some are counted. Rules that ask for the same ones share them, and what was counted lately, by where. */
interface Texts {
  readonly pattern: RegExp;
  readonly found: Map<string, number>;
}

/** Texts that come oftener sort nothing out. */
const TOO_OFTEN = 0.02;
/** Counts that are kept: for the lines of one message. */
const MOST_KEPT = 64;
/** Characters of a text whose count is kept: longer than any line, so that no large message is held on to. */
const LONGEST_KEPT = 8192;
/** More are not counted. */
const MOST_TIMES = 5;

const known = new Map<string, WeakRef<Texts>>();

/** null: the pattern asks for nothing several times, or for nothing that is known. */
export function leastIn(root: Node): LeastSought | null {
  const repeat = repetitionIn(root);
  if (repeat === null) return null;
  const texts = requiredOf(repeat.of);
  if (texts === null || chanceOfClause(texts) > TOO_OFTEN) return null;
  return { source: texts.map(written).join("|"), times: Math.min(MOST_TIMES, repeat.min) };
}

export function counting({ source, times }: LeastSought): Least {
  return { texts: textsOf(source), times };
}

function textsOf(source: string): Texts {
  const shared = known.get(source)?.deref();
  if (shared !== undefined) return shared;
  const texts = { pattern: new RegExp(source, "g"), found: new Map<string, number>() };
  known.set(source, new WeakRef(texts));
  return texts;
}

/** Whether the text may have a match of the pattern. */
export function hasLeast({ texts, times }: Least, text: string): boolean {
  let found = texts.found.get(text);
  if (found === undefined) {
    found = count(texts.pattern, text);
    if (texts.found.size >= MOST_KEPT) texts.found.clear();
    if (text.length <= LONGEST_KEPT) texts.found.set(text, found);
  }
  return found >= times;
}

function count(pattern: RegExp, text: string): number {
  pattern.lastIndex = 0;
  let found = 0;
  for (; found < MOST_TIMES; found++) {
    if (!pattern.test(text)) break;
  }
  return found;
}

function repetitionIn(node: Node): Repeat | null {
  switch (node.kind) {
    case "sequence":
      for (const item of node.items) {
        const found = repetitionIn(item);
        if (found !== null) return found;
      }
      return null;
    case "repeat":
      if (node.min > 1 && !looks(node.of)) return node;
      return node.min === 1 ? repetitionIn(node.of) : null;
    case "group":
    case "atomic":
      return repetitionIn(node.of);
    default:
      return null;
  }
}

/** What a lookahead sees may be the same text every time. */
function looks(node: Node): boolean {
  switch (node.kind) {
    case "look":
      return !node.negative;
    case "sequence":
    case "choice":
      return node.items.some(looks);
    case "repeat":
    case "group":
    case "atomic":
      return looks(node.of);
    default:
      return false;
  }
}

/** Folded texts (literals.ts): lower case, a blank for any white space. Classes are faster than flag i. */
function written(text: string): string {
  return Array.from(text, (octet) => {
    const code = octet.charCodeAt(0);
    const members = octet === " " ? [9, 10, 11, 12, 13, 32] : [code, otherCase(code)];
    return `[${members.map((one) => `\\x${one.toString(16).padStart(2, "0")}`).join("")}]`;
  }).join("");
}
