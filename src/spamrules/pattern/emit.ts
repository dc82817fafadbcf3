// Writes a tree (syntax.ts) as a pattern of V8 with the same meaning on octets in latin1 strings; neither flag m nor u is ever used.
// Groups that nobody refers to become plain ones, so numbers are given anew. Used by translate.ts.
import { ANY, DIGITS, type OctetSet, SPACE, single, WORD } from "./octet-set.ts";
import type { Edge, Node, Repeat, Tree } from "./syntax.ts";

export interface Emitted {
  readonly source: string;
  /** "" or "i". */
  readonly flags: string;
  /** Names of groups with their numbers in the pattern; empty unless asked for. */
  readonly names: ReadonlyMap<string, readonly number[]>;
  /** Numbers of kept groups in the pattern, by their number in Perl: several for a branch reset. */
  readonly numbers: ReadonlyMap<number, readonly number[]>;
}

export interface EmitOptions {
  /** Which groups stay groups, besides those that the pattern itself refers to. */
  readonly groups: "none" | "named" | "all";
  /** What stands for %{NAME}: any of these texts. */
  readonly tags: ReadonlyMap<string, readonly string[]>;
}

export function emit(tree: Tree, root: Node, options: EmitOptions): Emitted {
  const ignoreCase = allFolded(root);
  // Numbers of groups are known only when all has been written once, and references may come before their groups.
  const first = new Emitter(tree, options, ignoreCase, new Map());
  let { text } = first.write(root);
  if (first.numbers.size > 0) {
    text = new Emitter(tree, options, ignoreCase, first.numbers).write(root).text;
  }
  const { numbers } = first;
  const names = options.groups === "named" ? named(tree, numbers) : new Map<string, number[]>();
  return { source: text === "" ? "(?:)" : text, flags: ignoreCase ? "i" : "", names, numbers };
}

function named(
  tree: Tree,
  numbers: ReadonlyMap<number, readonly number[]>,
): Map<string, readonly number[]> {
  const names = new Map<string, readonly number[]>();
  for (const [name, perl] of tree.names) {
    names.set(
      name,
      perl.flatMap((number) => numbers.get(number) ?? []),
    );
  }
  return names;
}

/** Whether flag i says the same as the sets do: it is faster than pairs of letters, and shorter. */
function allFolded(node: Node): boolean {
  switch (node.kind) {
    case "octets":
      return isFolded(node.set);
    case "sequence":
    case "choice":
      return node.items.every(allFolded);
    case "back":
    case "tag":
      return node.fold;
    case "repeat":
    case "group":
    case "look":
    case "atomic":
      return allFolded(node.of);
    case "empty":
    case "edge":
      return true;
  }
}

const folded = new WeakMap<OctetSet, boolean>();

function isFolded(set: OctetSet): boolean {
  let is = folded.get(set);
  if (is === undefined) folded.set(set, (is = set.isFolded()));
  return is;
}

/** 2: an atom, which may be quantified; 1: a sequence; 0: alternatives. */
interface Piece {
  readonly text: string;
  readonly level: 0 | 1 | 2;
}

const EDGES: Readonly<Record<Edge, string>> = {
  start: "^",
  // Behind a line feed that ends the text, no further line starts.
  // V8 has more of these than "\n".
  lineStart: "(?m:^)(?<!\\r)(?:(?=[^])|^)",
  end: "(?=\\n?$)",
  lineEnd: "(?![^\\n])",
  veryEnd: "$",
  word: "\\b",
  notWord: "\\B",
};

/** V8's. */
const MOST_UNROLLED = 3;
/** Characters of what is repeated: less may be written several times. */
const LARGE = 100;

class Emitter {
  readonly #tree: Tree;
  readonly #options: EmitOptions;
  readonly #ignoreCase: boolean;
  /** Numbers in the pattern by Perl's number, as far as they are known from the first round. */
  readonly #known: ReadonlyMap<number, readonly number[]>;
  readonly numbers = new Map<number, number[]>();
  #last = 0;

  constructor(
    tree: Tree,
    options: EmitOptions,
    ignoreCase: boolean,
    known: ReadonlyMap<number, readonly number[]>,
  ) {
    this.#tree = tree;
    this.#options = options;
    this.#ignoreCase = ignoreCase;
    this.#known = known;
  }

  write(node: Node): Piece {
    switch (node.kind) {
      case "empty":
        return { text: "", level: 1 };
      case "octets":
        return { text: this.#octets(node.set), level: 2 };
      case "sequence":
        return { text: node.items.map((item) => this.#within(item, 1)).join(""), level: 1 };
      case "choice":
        return { text: node.items.map((item) => this.#within(item, 0)).join("|"), level: 0 };
      case "repeat":
        return this.#repeat(node);
      case "group":
        return this.#group(node.number, node.name, node.of);
      case "look": {
        const sign = `${node.behind ? "<" : ""}${node.negative ? "!" : "="}`;
        return { text: `(?${sign}${this.write(node.of).text})`, level: 1 };
      }
      case "atomic":
        return this.#atomic(() => this.write(node.of).text);
      case "back":
        return { text: this.#back(node.number, node.fold), level: 1 };
      case "edge":
        return { text: EDGES[node.edge], level: 1 };
      case "tag":
        return { text: this.#tag(node.name, node.fold), level: 2 };
    }
  }

  /** What goes where only pieces of `level` and above may stand. */
  #within(node: Node, level: number): string {
    const piece = this.write(node);
    return piece.level >= level ? piece.text : `(?:${piece.text})`;
  }

  #group(number: number, name: string | null, of: Node): Piece {
    const { groups } = this.#options;
    const kept = groups === "all" || (groups === "named" && name !== null);
    if (!kept && !this.#tree.referenced.has(number)) return this.write(of);
    const own = ++this.#last;
    const numbers = this.numbers.get(number) ?? [];
    numbers.push(own);
    this.numbers.set(number, numbers);
    return { text: `(${this.write(of).text})`, level: 2 };
  }

  #repeat(node: Repeat): Piece {
    const { mode } = node;
    const write = (): string => `${this.#repeated(node)}${quantifier(node)}`;
    if (mode === "possessive") return this.#atomic(write);
    return { text: write() + (mode === "lazy" ? "?" : ""), level: 1 };
  }

  /**
   * V8 writes what is repeated up to three times as often as that, and what is repeated within it again: code of megabytes. A group in
   * it, which takes nothing, keeps V8 from doing so.
   */
  #repeated({ of, min, max }: Repeat): string {
    const text = this.#within(of, 2);
    const unrolled = (min > 0 && min <= MOST_UNROLLED) || (min === 0 && max <= MOST_UNROLLED);
    if (max === 1 || !unrolled || text.length < LARGE) return text;
    this.#last++;
    return `(?:${text}())`;
  }

  /** A lookahead is never entered twice: what it captured cannot be given back. */
  #atomic(write: () => string): Piece {
    const own = ++this.#last;
    return { text: `(?:(?=(${write()}))\\${own})`, level: 2 };
  }

  #back(number: number, fold: boolean): string {
    const numbers = this.#known.get(number) ?? [];
    // Groups of a branch reset share a number; those that did not take part are empty.
    const text = numbers.map((own) => `(?:\\${own})`).join("");
    if (fold === this.#ignoreCase) return text;
    return fold ? `(?i:${text})` : `(?-i:${text})`;
  }

  #tag(name: string, fold: boolean): string {
    const texts = this.#options.tags.get(name) ?? [];
    const alternatives = texts.map((text) =>
      Array.from(text, (character) => {
        return this.#octets(single(character.charCodeAt(0) & 0xff, fold));
      }).join(""),
    );
    return `(?:${alternatives.length === 0 ? "(?!)" : alternatives.join("|")})`;
  }

  #octets(set: OctetSet): string {
    if (set.size === 1) return literal(first(set));
    if (this.#ignoreCase && set.size === 2 && single(first(set), true).equals(set)) {
      return literal(first(set)).toLowerCase();
    }
    return octetClass(set);
  }
}

function first(set: OctetSet): number {
  return set.octets[0]!;
}

function quantifier({ min, max }: Repeat): string {
  if (min === 0 && max === Infinity) return "*";
  if (min === 1 && max === Infinity) return "+";
  if (min === 0 && max === 1) return "?";
  if (min === max) return `{${min}}`;
  return `{${min},${max === Infinity ? "" : max}}`;
}

function literal(octet: number): string {
  const character = String.fromCharCode(octet);
  if (/[\^$\\.*+?()[\]{}|/]/.test(character)) return `\\${character}`;
  return printable(octet);
}

function printable(octet: number): string {
  if (octet === 0x0a) return "\\n";
  if (octet >= 0x20 && octet < 0x7f) return String.fromCharCode(octet);
  return `\\x${octet.toString(16).padStart(2, "0")}`;
}

const NAMED: readonly (readonly [OctetSet, string])[] = [
  [ANY, "[^]"],
  [WORD, "\\w"],
  [WORD.complement(), "\\W"],
  [DIGITS, "\\d"],
  [DIGITS.complement(), "\\D"],
  [SPACE, "[\\t-\\r ]"],
  [SPACE.complement(), "[^\\t-\\r ]"],
];

const classes = new WeakMap<OctetSet, string>();

function octetClass(set: OctetSet): string {
  let text = classes.get(set);
  if (text !== undefined) return text;
  const known = NAMED.find(([other]) => other.equals(set));
  // A class that has the last octet goes on beyond the octets: then it is shorter to say what is not in it.
  if (known !== undefined) text = known[1];
  else text = set.has(0xff) ? `[^${members(set.complement())}]` : `[${members(set)}]`;
  classes.set(set, text);
  return text;
}

function members(set: OctetSet): string {
  let text = "";
  for (const [low, high] of set.runs()) {
    const ends = low === high ? [low] : [low, high];
    const join = high - low > 1 ? "-" : "";
    text += ends.map(member).join(join);
  }
  return text;
}

function member(octet: number): string {
  const character = String.fromCharCode(octet);
  return /[\]\\^[-]/.test(character) ? `\\${character}` : printable(octet);
}
