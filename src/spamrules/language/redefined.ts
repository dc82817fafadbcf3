// Rules that are defined a second time in a way that SpamAssassin refuses: then the first definition stays, or what is left of it. Used
// by rule-lines.ts.
import { parse } from "../pattern/parse.ts";
import { Untranslatable } from "../pattern/syntax.ts";
import type { PerlPattern } from "../rulebook.ts";
import type { Draft } from "./draft.ts";

/** Why a pattern cannot take the place of what its rule was; null when it can, or the rule is new: then compiling finds out. */
export function refused(draft: Draft, name: string, pattern: PerlPattern): string | null {
  if (!draft.tests.has(name)) return null;
  try {
    parse(pattern);
    return null;
  } catch (error) {
    if (error instanceof Untranslatable) return error.message;
    throw error;
  }
}

/**
 * QUIRK: before SpamAssassin looks at another test of a header field, it forgets that the earlier was negated and what it takes for
 * fields that are not there, or takes that from the refused line. (A field that was only asked to exist is then compared with nothing,
 * which in Perl is whatever matched last: here it stays.)
 */
export function keepEarlier(draft: Draft, name: string, ifUnset: string | null): void {
  const earlier = draft.tests.get(name);
  if (earlier?.definition.type !== "header") return;
  const { definition, place } = earlier;
  draft.tests.set(name, { definition: { ...definition, negated: false, ifUnset }, place });
}
