// Rules that match patterns against texts, compiled one by one. Used by program.ts.
import type { Facts } from "../pattern/facts.ts";
import type { KnownPatterns } from "../pattern/known-patterns.ts";
import { counting, type Least } from "../pattern/least.ts";
import { Pattern } from "../pattern/translate.ts";
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
  /** Tags whose text is in every match of the first pattern. */
  readonly neededTags: readonly string[];
  /** Whether to know that its first pattern matches is all there is to know. */
  readonly simple: boolean;
  /** Whether nobody but metas asks for it: then it need not run before one does. */
  readonly postponable: boolean;
  /** What any text has at least that its first pattern matches; null: nothing to speak of. */
  readonly least: Least | null;
  /** Octets that any match of its first pattern takes at least. */
  readonly shortest: number;
}

export interface Matchers {
  readonly all: readonly Matcher[];
  /** Of the first pattern of each that has one; they are large, and needed to make prefilters only. */
  readonly facts: ReadonlyMap<Matcher, Facts>;
}

/** All that have points in the set. A rule that cannot be compiled is a problem and never hits; a dangerous one is noted and runs. */
export function compileMatchers(
  rules: readonly Rule[],
  set: 0 | 1 | 2 | 3,
  patterns: KnownPatterns,
  problems: Problem[],
): Matchers {
  const all: Matcher[] = [];
  const first = new Map<Matcher, Facts>();
  rules.forEach((rule, index) => {
    const sources = patternsOf(rule);
    if (sources === null || rule.scores[set] === 0) return;
    const { file, line, name } = rule;
    const say = (what: string): Problem => ({ file, line, message: `${name}: ${what}` });
    const known: Facts[] = [];
    for (const source of sources) {
      const facts = patterns.facts(source);
      if ("failed" in facts) return void problems.push(say(`cannot be used: ${facts.failed}`));
      known.push(facts);
      if (facts.danger !== null) problems.push({ ...say(facts.danger), mild: true });
    }
    const made = matcher(index, rule, sources, known);
    all.push(made);
    if (known.length > 0) first.set(made, known[0]!);
  });
  return { all, facts: first };
}

function matcher(
  index: number,
  rule: Rule,
  sources: readonly PerlPattern[],
  all: readonly Facts[],
): Matcher {
  const patterns = sources.map((perl, at) => new Pattern(perl, all[at]!.tags, all[at]!.names));
  const usesTags = patterns.some(({ tags }) => tags.size > 0);
  const setsTags = patterns.some(({ names }) => names.some((name) => TAG.test(name)));
  const simple = !usesTags && !setsTags && rule.maxHits === 1 && !rule.flags.has("nosubject");
  const quiet = !usesTags && !setsTags && rule.shortcircuit === null;
  const postponable = quiet && isDear(rule) && rule.name.startsWith("__") && all.length === 1;
  const facts = all[0] ?? null;
  const least = usesTags || facts?.least == null ? null : counting(facts.least);
  const shortest = facts?.shortest ?? 0;
  const neededTags = facts?.neededTags ?? [];
  const seen = { usesTags, setsTags, neededTags, simple, postponable, least, shortest };
  return { index, rule, patterns, ...seen };
}

/** A field is short: to meet it costs less than to remember that one could. */
function isDear({ definition }: Rule): boolean {
  return definition.type !== "header" || definition.field.name === "ALL";
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
