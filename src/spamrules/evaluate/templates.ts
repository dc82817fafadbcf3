// Patterns with %{TAGS}: made anew for what rules have captured in a message, and kept for the next one that captures the same. Used
// by run.ts.
import type { Captured } from "../pattern/translate.ts";
import type { Matcher } from "./matcher.ts";

/** Octets of all texts of the tags of one rule; a rule with more is not run: nobody has a pattern of such a size in mind. */
const MOST_TEXT = 16 * 1024;
const MOST_KEPT = 200;

export class Templates {
  readonly #kept = new Map<string, Captured>();

  /**
   * null: the rule does not run, as a tag that it names is not set, or cannot match `text` (null: whatever text), where what the tags
   * hold is not.
   */
  fill(
    matcher: Matcher,
    text: string | null,
    tag: (name: string) => readonly string[],
  ): Captured | null {
    const pattern = matcher.patterns[0]!;
    const texts = new Map<string, readonly string[]>();
    for (const name of pattern.tags) {
      const values = tag(name).filter((value) => value !== "");
      if (values.length === 0) return null;
      texts.set(name, values);
    }
    if (text !== null && matcher.neededTags.some((name) => !holds(text, texts.get(name)!)))
      return null;
    const key = JSON.stringify([matcher.index, ...texts.values()]);
    if (key.length > MOST_TEXT) return null;
    let filled = this.#kept.get(key);
    if (filled === undefined) {
      filled = pattern.filled(texts);
      const [oldest] = this.#kept.keys();
      if (this.#kept.size >= MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
      this.#kept.set(key, filled);
    }
    return filled;
  }
}

/** Whether one of the values may be in it, in whatever case. */
function holds(text: string, values: readonly string[]): boolean {
  const folded = text.toLowerCase();
  return values.some((value) => folded.includes(value.toLowerCase()));
}
