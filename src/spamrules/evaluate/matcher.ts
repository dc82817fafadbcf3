// Rules that match patterns against texts, compiled one by one. Used by program.ts.
import { dangerOf } from "../pattern/danger.ts";
import { type Least, leastOf } from "../pattern/least.ts";
import { Untranslatable } from "../pattern/syntax.ts";
import { type Pattern, translate } from "../pattern/translate.ts";
import type { PerlPattern, Problem, Rule } from "../rulebook.ts";

/** One rule with a pattern or none (`exists`), or with several (`uri_detail`). */
export interface Matcher {
  /** Its place among the rules. */
  readonly index: number;
  readonly rule: Rule;
  /** In the order of the definition; empty for `exists`. */
  readonly patterns: readonly Pattern[];
  /** Whether its patterns hold %{TAGS}, or its groups have names that become tags. */
  readonly usesTags: boolean;
  readonly setsTags: boolean;
  /** Whether to know that its first pattern matches is all there is to know. */
  readonly simple: boolean;
  /** What any text has at least that its first pattern matches; null: nothing to speak of. */
  readonly least: Least | null;
}

/** All that have points in the set. A rule that cannot be compiled is a problem and never hits; a dangerous one is noted and runs. */
export function compileMatchers(
  rules: readonly Rule[],
  set: 0 | 1 | 2 | 3,
  problems: Problem[],
): Matcher[] {
  const matchers: Matcher[] = [];
  rules.forEach((rule, index) => {
    const sources = patternsOf(rule);
    if (sources === null || rule.scores[set] === 0) return;
    const { file, line } = rule;
    try {
      const patterns = sources.map(translate);
      const usesTags = patterns.some(({ tags }) => tags.size > 0);
      const setsTags = patterns.some(({ names }) => names.some((name) => TAG.test(name)));
      const simple = !usesTags && !setsTags && rule.maxHits === 1 && !rule.flags.has("nosubject");
      const first = patterns[0];
      const least = first === undefined || usesTags ? null : leastOf(first.tree.root);
      matchers.push({ index, rule, patterns, usesTags, setsTags, simple, least });
      for (const danger of patterns.map(dangerOf)) {
        if (danger !== null) problems.push({ file, line, message: `${rule.name}: ${danger}` });
      }
    } catch (error) {
      if (!(error instanceof Untranslatable)) throw error;
      problems.push({ file, line, message: `${rule.name}: cannot be used: ${error.message}` });
    }
  });
  return matchers;
}

const TAG = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/;

function patternsOf({ definition }: Rule): readonly PerlPattern[] | null {
  switch (definition.type) {
    case "header":
    case "mimeheader":
    case "body":
    case "rawbody":
    case "full":
    case "uri":
      return [definition.pattern];
    case "uri_detail":
      return definition.tests.map(({ pattern }) => pattern);
    case "exists":
      return [];
    case "eval":
    case "meta":
    case "askdns":
    case "empty":
      return null;
  }
}
