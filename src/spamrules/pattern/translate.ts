// Perl's patterns as V8's, with the same meaning on octets. Compiled when first needed. Used by evaluate/, and by
// whoever matches a PerlPattern of the rule book.
import type { PerlPattern } from "../rulebook.ts";
import { withBeginnings } from "./beginnings.ts";
import { emit } from "./emit.ts";
import { factored } from "./factor.ts";
import { type Alphabet, narrowed } from "./narrow.ts";
import { parse } from "./parse.ts";
import { EMPTY, type Node, type Tree, Untranslatable } from "./syntax.ts";
import { trim } from "./trim.ts";

/** Matches nothing. */
const NEVER: Node = { kind: "look", behind: false, negative: true, of: EMPTY };
const NO_TAGS: ReadonlyMap<string, readonly string[]> = new Map();

export interface Captured {
  readonly pattern: RegExp;
  /** Names of groups with their numbers. */
  readonly names: ReadonlyMap<string, readonly number[]>;
}

/**
 * A pattern that was understood. V8 may still find it too large when it first runs it, and throw. Its regular expressions have no
 * state but `lastIndex` of those with flag g.
 */
export class Pattern {
  readonly perl: PerlPattern;
  /** Names of %{NAME} in it. */
  readonly tags: ReadonlySet<string>;
  /** Names of its groups. */
  readonly names: readonly string[];
  #anyTest: RegExp | null = null;
  #westernTest: RegExp | null = null;
  #plainTest: RegExp | null = null;
  readonly #alls = new Map<Alphabet, Captured>();
  #nothing: boolean | null = null;

  constructor(perl: PerlPattern, tags: Iterable<string>, names: Iterable<string>) {
    this.perl = perl;
    this.tags = new Set(tags);
    this.names = [...names];
  }

  /** Read anew each time: it is a hundred times as large as the text, and needed once. */
  get tree(): Tree {
    return parse(this.perl);
  }

  /** Tells whether there is a match somewhere in a text; not where. Not for patterns with %{TAGS}. */
  test(alphabet: Alphabet = "any"): RegExp {
    if (alphabet === "plain") return (this.#plainTest ??= this.#newTest(alphabet));
    if (alphabet === "western") return (this.#westernTest ??= this.#newTest(alphabet));
    return (this.#anyTest ??= this.#newTest(alphabet));
  }

  #newTest(alphabet: Alphabet): RegExp {
    const { tree } = this;
    const whole = trim(tree);
    const node = narrowed(whole, tree, alphabet);
    const is = alphabet !== "any" && node === whole;
    return is ? this.test() : compile(tree, node ?? NEVER, "").pattern;
  }

  /** Whether it matches a text without octets, as a field is that is not there. */
  get matchesNothing(): boolean {
    return (this.#nothing ??= this.test().test(""));
  }

  /** Finds the matches in a text as Perl does, one after the other (flag g). Not for patterns with %{TAGS}. */
  all(alphabet: Alphabet = "any"): Captured {
    const known = this.#alls.get(alphabet);
    if (known !== undefined) return known;
    const { tree } = this;
    const node = narrowed(tree.root, tree, alphabet);
    const is = alphabet !== "any" && node === tree.root;
    const made = is ? this.all() : compile(tree, node ?? NEVER, "g");
    this.#alls.set(alphabet, made);
    return made;
  }

  /** The same with texts for %{TAGS}; a new one each time. */
  filled(tags: ReadonlyMap<string, readonly string[]>): Captured {
    const { tree } = this;
    return compile(tree, tree.root, "g", tags);
  }
}

/** Throws Untranslatable with a reason for the operator. */
export function translate(perl: PerlPattern): Pattern {
  const { tags, names } = parse(perl);
  return new Pattern(perl, tags, names.keys());
}

/** For patterns that are no rules of their own: a RegExp that tells whether one matches, or why there is none. */
export function compilePerl(perl: PerlPattern): RegExp | { readonly failed: string } {
  try {
    return translate(perl).test();
  } catch (error) {
    if (error instanceof Untranslatable) return { failed: error.message };
    throw error;
  }
}

/** The same for patterns whose first group takes what is looked for: gives that of every match, undefined where it took no part. */
export function compileFirstGroup(
  perl: PerlPattern,
): ((text: string) => Iterable<string | undefined>) | { readonly failed: string } {
  try {
    const tree = parse(perl);
    const { source, flags, numbers } = emit(tree, tree.root, { groups: "all", tags: NO_TAGS });
    const pattern = regExp(source, `${flags}g`);
    const first = numbers.get(1) ?? [];
    return function* (text) {
      for (let at = 0; ;) {
        pattern.lastIndex = at;
        const match = pattern.exec(text);
        if (match === null) return;
        at = match.index + (match[0].length || 1);
        const taken = first.find((number) => match[number] !== undefined);
        yield taken === undefined ? undefined : match[taken];
      }
    };
  } catch (error) {
    if (error instanceof Untranslatable) return { failed: error.message };
    throw error;
  }
}

function compile(
  tree: Tree,
  root: Node,
  flags: string,
  tags: ReadonlyMap<string, readonly string[]> = NO_TAGS,
): Captured {
  const groups = flags === "g" ? "named" : "none";
  const written = emit(tree, factored(withBeginnings(root)), { groups, tags });
  return { pattern: regExp(written.source, written.flags + flags), names: written.names };
}

function regExp(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new Untranslatable(error instanceof Error ? error.message : String(error));
  }
}
