// Reads a Perl pattern into a tree (syntax.ts). Bounded in length, depth and nodes; throws Untranslatable with the reason for what
// Perl itself refuses and for what has no counterpart on octets. Used by translate.ts.
import type { PerlPattern } from "../rulebook.ts";
import { readBrackets } from "./brackets.ts";
import { checkBehind, checkBrace, checkClass, checkRepeat } from "./complaints.ts";
import { octal, readEscape, unknown } from "./escapes.ts";
import { type Flags, readGroupHead, withModes } from "./group-head.ts";
import { ANY, NOT_NEWLINE, OctetSet, single } from "./octet-set.ts";
import { readQuantifier } from "./quantifier.ts";
import { type Edge, EMPTY, type Node, sequence, type Tree, Untranslatable } from "./syntax.ts";

const MAX_LENGTH = 1024 * 1024;
const MAX_DEPTH = 120;
const MAX_NODES = 500_000;

const TAG = /%\{([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\([^)}]*\))?)\}/y;
const BACK_REFERENCE = /\\(?:g\{?(-?\d+)\}?|g\{([A-Za-z_]\w*)\}|k(?:<(\w+)>|'(\w+)'|\{(\w+)\}))/y;
const EDGES: Readonly<Record<string, Edge>> = {
  b: "word",
  B: "notWord",
  A: "start",
  z: "veryEnd",
  Z: "end",
};
const NO_FLAGS: Flags = { i: false, m: false, s: false, x: false, xx: false, n: false };

export function parse({ source, flags }: PerlPattern): Tree {
  if (source.length > MAX_LENGTH) throw new Untranslatable(`longer than ${MAX_LENGTH} octets`);
  return new Parser(source, withModes(NO_FLAGS, flags, true)).parse();
}

class Parser {
  readonly #source: string;
  #at = 0;
  #flags: Flags;
  #depth = 0;
  #nodes = 0;
  #groups = 0;
  readonly #names = new Map<string, number[]>();
  readonly #referenced = new Set<number>();
  readonly #tags = new Set<string>();

  constructor(source: string, flags: Flags) {
    this.#source = source;
    this.#flags = flags;
  }

  parse(): Tree {
    const root = this.#choice();
    if (this.#at < this.#source.length) throw new Untranslatable("unmatched )");
    for (const number of this.#referenced) {
      if (number > this.#groups) throw new Untranslatable("reference to a group that is not there");
    }
    const names = this.#names;
    return { root, names, referenced: this.#referenced, tags: this.#tags };
  }

  /** Alternatives up to the end or a ")". `each` is called before each of them. */
  #choice(each: () => void = () => {}): Node {
    if (++this.#depth > MAX_DEPTH) throw new Untranslatable(`groups deeper than ${MAX_DEPTH}`);
    const items: Node[] = [];
    do {
      each();
      items.push(this.#sequence());
    } while (this.#take("|"));
    this.#depth--;
    return items.length === 1 ? items[0]! : { kind: "choice", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    for (;;) {
      this.#skipComments();
      const here = this.#source[this.#at];
      if (here === undefined || here === "|" || here === ")") return sequence(items);
      if (++this.#nodes > MAX_NODES) throw new Untranslatable(`more than ${MAX_NODES} pieces`);
      items.push(this.#quantified(this.#atom(here)));
    }
  }

  #quantified(of: Node): Node {
    this.#skipComments();
    const found = readQuantifier(this.#source, this.#at);
    if (found === null) {
      if (this.#source[this.#at] === "{") checkBrace(of, this.#source[this.#at - 1]);
      return of;
    }
    const { min, max, mode, end } = found;
    if (min > max) throw new Untranslatable("quantifier {n,m} with n > m cannot match");
    checkRepeat(of, min, max);
    this.#at = end;
    this.#skipComments();
    if (readQuantifier(this.#source, this.#at) !== null) {
      throw new Untranslatable("nested quantifiers");
    }
    return { kind: "repeat", of, min, max, mode };
  }

  #atom(here: string): Node {
    switch (here) {
      case "(":
        return this.#group();
      case "[": {
        checkClass(this.#source, this.#at);
        const options = { ignoreCase: this.#flags.i, skipBlanks: this.#flags.xx };
        const { set, end } = readBrackets(this.#source, this.#at + 1, options);
        this.#at = end;
        return { kind: "octets", set };
      }
      case "\\":
        return this.#escape();
      case ".":
        this.#at++;
        return { kind: "octets", set: this.#flags.s ? ANY : NOT_NEWLINE };
      case "^":
        this.#at++;
        return { kind: "edge", edge: this.#flags.m ? "lineStart" : "start" };
      case "$":
        this.#at++;
        return { kind: "edge", edge: this.#flags.m ? "lineEnd" : "end" };
      case "*":
      case "+":
      case "?":
        throw new Untranslatable("quantifier follows nothing");
      case "%":
        return this.#tag() ?? this.#literal(here);
      default:
        return this.#literal(here);
    }
  }

  #literal(here: string): Node {
    this.#at++;
    const octet = here.charCodeAt(0);
    if (octet > 0xff) throw new Untranslatable("characters beyond octets");
    return { kind: "octets", set: single(octet, this.#flags.i) };
  }

  #octets(set: OctetSet): Node {
    return { kind: "octets", set: this.#flags.i ? set.folded() : set };
  }

  #tag(): Node | null {
    TAG.lastIndex = this.#at;
    const found = TAG.exec(this.#source);
    if (found === null) return null;
    this.#at += found[0].length;
    this.#tags.add(found[1]!);
    return { kind: "tag", name: found[1]!, fold: this.#flags.i };
  }

  #escape(): Node {
    const letter = this.#source[this.#at + 1] ?? "";
    const edge = EDGES[letter];
    if (edge !== undefined) {
      if (this.#source[this.#at + 2] === "{" && (letter === "b" || letter === "B")) {
        throw new Untranslatable("\\b{…} asks for properties of characters");
      }
      this.#at += 2;
      return { kind: "edge", edge };
    }
    if (letter === "g" || letter === "k") return this.#namedBack();
    if (letter >= "1" && letter <= "9") return this.#numberedBack();
    if (letter === "K") return this.#nothing(2);
    if (letter === "R") return this.#lineBreak();
    const found = readEscape(this.#source, this.#at + 1, false);
    if (found === null) throw unknown(letter);
    this.#at = found.end;
    if (found.octet !== null && found.octet >= 0) {
      return { kind: "octets", set: single(found.octet, this.#flags.i) };
    }
    return this.#octets(found.set);
  }

  /** \K moves the start of what matched, which no rule asks for. */
  #nothing(length: number): Node {
    this.#at += length;
    return EMPTY;
  }

  #lineBreak(): Node {
    this.#at += 2;
    const octet = (value: number): Node => ({ kind: "octets", set: OctetSet.of(value) });
    const one: Node = { kind: "octets", set: OctetSet.ranges([0x0a, 0x0d], [0x85, 0x85]) };
    return {
      kind: "atomic",
      of: { kind: "choice", items: [sequence([octet(0x0d), octet(0x0a)]), one] },
    };
  }

  #numberedBack(): Node {
    const digits = /\d+/y;
    digits.lastIndex = this.#at + 1;
    const text = digits.exec(this.#source)![0];
    const number = Number(text);
    if (number > 9 && number > this.#groups) {
      const found = octal(this.#source, this.#at + 1);
      this.#at = found.end;
      return this.#octets(found.set);
    }
    this.#at += 1 + text.length;
    return this.#back(number);
  }

  #namedBack(): Node {
    BACK_REFERENCE.lastIndex = this.#at;
    const found = BACK_REFERENCE.exec(this.#source);
    if (found === null) throw new Untranslatable("unterminated \\g or \\k");
    this.#at += found[0].length;
    const name = found[2] ?? found[3] ?? found[4] ?? found[5];
    if (name !== undefined) return this.#backTo(name);
    const number = Number(found[1]);
    return this.#back(number < 0 ? this.#groups + 1 + number : number);
  }

  #backTo(name: string): Node {
    const numbers = this.#names.get(name);
    if (numbers === undefined) throw new Untranslatable(`reference to the unknown group ${name}`);
    const items = numbers.map((number) => this.#back(number));
    return items.length === 1 ? items[0]! : { kind: "choice", items };
  }

  #back(number: number): Node {
    if (number < 1) throw new Untranslatable("reference to a group that is not there");
    this.#referenced.add(number);
    return { kind: "back", number, fold: this.#flags.i };
  }

  #group(): Node {
    const outside = this.#flags;
    const head = readGroupHead(this.#source, this.#at, outside);
    this.#at = head.end;
    if (head.is === "comment") return EMPTY;
    if (head.is === "back") return this.#backTo(head.name);
    if (head.is === "flags") {
      // Until the group that holds it ends: its caller puts the modes back.
      this.#flags = head.flags;
      return EMPTY;
    }
    if (head.is === "condition") return this.#conditional();
    if (head.is === "capture") return this.#capture(head.name, outside);
    if (head.is === "look") {
      const { behind, negative } = head;
      const of = this.#inside(outside);
      if (behind) checkBehind(of);
      return { kind: "look", behind, negative, of };
    }
    this.#flags = head.flags;
    if (head.is === "reset") return this.#reset(outside);
    const of = this.#inside(outside);
    return head.is === "atomic" ? { kind: "atomic", of } : of;
  }

  #capture(name: string | null, outside: Flags): Node {
    const number = ++this.#groups;
    if (name !== null) {
      const numbers = this.#names.get(name) ?? [];
      if (!numbers.includes(number)) this.#names.set(name, [...numbers, number]);
    }
    return { kind: "group", number, name, of: this.#inside(outside) };
  }

  /** (?|a|b): groups of each alternative are numbered from the same number on. */
  #reset(outside: Flags): Node {
    const first = this.#groups;
    let most = first;
    const of = this.#inside(outside, () => {
      most = Math.max(most, this.#groups);
      this.#groups = first;
    });
    this.#groups = Math.max(most, this.#groups);
    return of;
  }

  /** (?(?=a)b|c) is (?:(?=a)b|(?!a)c); conditions on groups have no counterpart. */
  #conditional(): Node {
    const condition = this.#source[this.#at + 1] === "?" ? this.#group() : null;
    if (condition?.kind !== "look") throw new Untranslatable("conditions on groups: (?(1)…)");
    const outside = this.#flags;
    const of = this.#inside(outside);
    const items = of.kind === "choice" ? of.items : [of];
    if (items.length > 2) throw new Untranslatable("a condition with more than two branches");
    const otherwise: Node = { ...condition, negative: !condition.negative };
    return {
      kind: "choice",
      items: [sequence([condition, items[0]!]), sequence([otherwise, items[1] ?? EMPTY])],
    };
  }

  /** Alternatives up to the ")" that ends the group, then `outside`'s modes again. */
  #inside(outside: Flags, each?: () => void): Node {
    const of = this.#choice(each);
    if (!this.#take(")")) throw new Untranslatable("unmatched (");
    this.#flags = outside;
    return of;
  }

  #take(octet: string): boolean {
    if (this.#source[this.#at] !== octet) return false;
    this.#at++;
    return true;
  }

  #skipComments(): void {
    while (this.#flags.x) {
      const here = this.#source[this.#at];
      if (here === "#") {
        const end = this.#source.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#source.length : end + 1;
      } else if (here !== undefined && " \t\n\v\f\r\x85".includes(here)) this.#at++;
      else return;
    }
  }
}
