// Perl's patterns as V8's, with the same meaning on octets. Parsed at once, compiled when first needed. Used by program.ts, and by
// whoever matches a PerlPattern of the rule book.
import type { PerlPattern } from "../rulebook.ts";
import { emit } from "./emit.ts";
import { parse } from "./parse.ts";
import { type Node, type Tree, Untranslatable } from "./syntax.ts";
import { trim } from "./trim.ts";

const NO_TAGS: ReadonlyMap<string, readonly string[]> = new Map();

export interface Captured {
  readonly pattern: RegExp;
  /** Names of groups with their numbers. */
  readonly names: ReadonlyMap<string, readonly number[]>;
}

/** A pattern that was understood. Its regular expressions have no state but `lastIndex` of those with flag g. */
export class Pattern {
  readonly tree: Tree;
  /** What is left of the tree for asking whether it matches at all. */
  readonly trimmed: Node;
  #test: RegExp | null = null;
  #all: Captured | null = null;
  #nothing: boolean | null = null;

  constructor(tree: Tree) {
    this.tree = tree;
    this.trimmed = trim(tree);
  }

  /** Tells whether there is a match somewhere; not where. Not for patterns with %{TAGS}. */
  get test(): RegExp {
    return (this.#test ??= compile(this.tree, this.trimmed, "").pattern);
  }

  /** Whether it matches a text without octets, as a field is that is not there. */
  get matchesNothing(): boolean {
    return (this.#nothing ??= this.test.test(""));
  }

  /** Finds the matches as Perl does, one after the other (flag g). Not for patterns with %{TAGS}. */
  get all(): Captured {
    return (this.#all ??= compile(this.tree, this.tree.root, "g"));
  }

  /** The same with texts for %{TAGS}; a new one each time. */
  filled(tags: ReadonlyMap<string, readonly string[]>): Captured {
    return compile(this.tree, this.tree.root, "g", tags);
  }
}

/** Throws Untranslatable with a reason for the operator. */
export function translate(pattern: PerlPattern): Pattern {
  const tree = parse(pattern);
  const understood = new Pattern(tree);
  // Whether V8 takes it is asked now, since a rule that cannot be compiled is a problem to report, not one to meet in a message.
  check(emit(tree, tree.root, { names: true, tags: NO_TAGS }));
  return understood;
}

/** For patterns that are no rules of their own: a RegExp that tells whether one matches; null with a reason when it cannot. */
export function compilePerl(pattern: PerlPattern): RegExp | { readonly failed: string } {
  try {
    return translate(pattern).test;
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
  const written = emit(tree, root, { names: flags === "g", tags });
  return { pattern: new RegExp(written.source, written.flags + flags), names: written.names };
}

function check({ source, flags }: { readonly source: string; readonly flags: string }): void {
  try {
    new RegExp(source, flags);
  } catch (error) {
    throw new Untranslatable(error instanceof Error ? error.message : String(error));
  }
}
