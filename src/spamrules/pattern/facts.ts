// All that has to be known of a pattern before a text comes, in a shape that travels as JSON. To find it out takes far longer than to
// use it, so it is kept (known-patterns.ts). Used by evaluate/.
import type { PerlPattern } from "../rulebook.ts";
import { dangerIn } from "./danger.ts";
import { type LeastSought, leastIn } from "./least.ts";
import { narrowed } from "./narrow.ts";
import { neededTags } from "./needed-tags.ts";
import { parse } from "./parse.ts";
import { shortestMatch } from "./shortest.ts";
import { type Sought, soughtIn } from "./sought.ts";
import { Untranslatable } from "./syntax.ts";
import { trim } from "./trim.ts";

export interface Facts {
  /** Names of %{NAME} in it. */
  readonly tags: readonly string[];
  /** Those of them whose text is in every match. */
  readonly neededTags: readonly string[];
  /** Names of its groups. */
  readonly names: readonly string[];
  /** For the operator; null: nothing is seen. */
  readonly danger: string | null;
  /** Octets that any match takes at least. */
  readonly shortest: number;
  readonly least: LeastSought | null;
  readonly sought: Sought;
  /** In plain texts (narrow.ts); null: the same. */
  readonly plain: Sought | null;
}

/** Why there are none, for the operator. */
export interface NoFacts {
  readonly failed: string;
}

export function factsOf(perl: PerlPattern): Facts | NoFacts {
  try {
    const tree = parse(perl);
    const trimmed = trim(tree);
    const plain = narrowed(trimmed, tree, "plain");
    return {
      tags: [...tree.tags],
      neededTags: [...neededTags(tree.root)],
      names: [...tree.names.keys()],
      danger: dangerIn(tree.root),
      shortest: shortestMatch(tree.root),
      least: tree.tags.size > 0 ? null : leastIn(tree.root),
      sought: soughtIn(trimmed),
      plain: plain === trimmed ? null : soughtIn(plain),
    };
  } catch (error) {
    if (error instanceof Untranslatable) return { failed: error.message };
    throw error;
  }
}
