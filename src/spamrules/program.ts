// A rule book made ready to run: the score set chosen, patterns translated, rules sorted by when and on what they run, metas in an
// order in which each finds its answers. Made once per thread by the engine; run.ts runs it. Nothing in it changes but caches.
import { compileMatchers, type Matcher, type Matchers } from "./evaluate/matcher.ts";
import { type CompiledMeta, type MetaPlan, planMetas } from "./evaluate/metas.ts";
import { Templates } from "./evaluate/templates.ts";
import { planTexts, type TextPlan } from "./evaluate/texts.ts";
import { ENDLESS } from "./language/bounds.ts";
import { EVALS } from "./evals/index.ts";
import type { Eval } from "./evals/eval.ts";
import { KnownPatterns } from "./pattern/known-patterns.ts";
import type { Problem, Rule, RuleBook } from "./rulebook.ts";

export interface ProgramOptions {
  /** Only local tests run. */
  readonly local: boolean;
  /** Whether Bayes answers. */
  readonly bayes: boolean;
  /** Eval functions by name; those of evals/index.ts. */
  readonly evals?: ReadonlyMap<string, Eval>;
  /** What need not be found out again. */
  readonly known?: KnownPatterns;
}

export type ScoreSet = 0 | 1 | 2 | 3;

/** A rule whose answer an eval function gives. */
export interface EvalRule {
  readonly index: number;
  readonly rule: Rule;
  readonly args: readonly string[];
  readonly run: Eval;
}

/** What runs at one priority, in this order. */
export interface Band {
  readonly priority: number;
  readonly texts: TextPlan;
  /** By where it was declared: "header", "body", "rawbody", "full". */
  readonly evals: Readonly<Record<"header" | "body" | "rawbody" | "full", readonly EvalRule[]>>;
  readonly metas: MetaPlan;
}

export interface Program {
  readonly book: RuleBook;
  readonly local: boolean;
  readonly set: ScoreSet;
  /** All rules of the book; hits are counted by their places here. */
  readonly rules: readonly Rule[];
  readonly places: ReadonlyMap<string, number>;
  /** Points by place. */
  readonly points: Float64Array;
  /** 1 where each hit counts the points again: rules with a pattern and `tflags multiple`. */
  readonly repeats: Uint8Array;
  readonly bands: readonly Band[];
  /** Eval rules that wait for what is asked outside of the thread: Bayes. */
  readonly late: readonly EvalRule[];
  /** Metas that wait for those, for DNS, or for a rule that does not run at all. */
  readonly lateMetas: MetaPlan;
  /** By place of a rule: places of the metas that name it. */
  readonly dependents: readonly (Int32Array | undefined)[];
  readonly metas: ReadonlyMap<number, CompiledMeta>;
  /** By place: 1 for metas that may hit when nothing that they name has. */
  readonly restless: Uint8Array;
  /** By place: rules with patterns. */
  readonly matchers: readonly (Matcher | undefined)[];
  /** By place: hits that a rule can have at most. */
  readonly most: Float64Array;
  /** Patterns that were made for %{TAGS} of messages. */
  readonly templates: Templates;
  /** What could not be compiled; such rules never hit. */
  readonly problems: readonly Problem[];
}

/** Compiles the rules that have points in the score set; the others are only names. Takes two seconds of CPU for a stock book of
 * which nothing is known. */
export function compileProgram(book: RuleBook, options: ProgramOptions): Program {
  const { local, bayes, evals = EVALS, known = new KnownPatterns() } = options;
  const set = ((local ? 0 : 1) + (bayes ? 2 : 0)) as ScoreSet;
  const rules = [...book.rules.values()];
  const places = new Map(rules.map(({ name }, place) => [name, place]));
  const problems: Problem[] = [];
  const matchers = compileMatchers(rules, set, known, problems);
  const calls = evalRules(rules, set, evals, problems);
  const isLate = ({ rule }: EvalRule): boolean => rule.flags.has("learn");
  const metas = planMetas(book, { set, local, places });
  const all = [...matchers.all, ...calls].map(({ rule }) => rule.priority);
  const priorities = [...new Set([...all, ...metas.priorities])].sort((a, b) => a - b);
  const bands = priorities.map((priority) =>
    band(
      priority,
      matchers.all.filter(({ rule }) => rule.priority === priority),
      matchers.facts,
      calls.filter((call) => call.rule.priority === priority && !isLate(call)),
      metas.at(priority),
    ),
  );
  return {
    book,
    local,
    set,
    rules,
    places,
    points: Float64Array.from(rules, ({ scores }) => scores[set]),
    repeats: Uint8Array.from(rules, (rule) => (countsAgain(rule) ? 1 : 0)),
    dependents: metas.dependents,
    metas: metas.byPlace,
    restless: Uint8Array.from(rules, (_, at) => (metas.byPlace.get(at)?.restless ? 1 : 0)),
    matchers: byPlace(matchers.all, rules.length),
    most: mostHits(rules),
    templates: new Templates(),
    bands,
    late: calls.filter(isLate),
    lateMetas: metas.late,
    problems,
  };
}

function byPlace(matchers: readonly Matcher[], length: number): (Matcher | undefined)[] {
  const places = Array.from<Matcher | undefined>({ length });
  for (const matcher of matchers) places[matcher.index] = matcher;
  return places;
}

/** A meta has the value of its expression: without looking closer, anything. */
function mostHits(rules: readonly Rule[]): Float64Array {
  return Float64Array.from(rules, ({ definition, maxHits }) =>
    definition.type === "meta" || !Number.isFinite(maxHits) ? ENDLESS : maxHits,
  );
}

function countsAgain({ definition, maxHits }: Rule): boolean {
  return maxHits > 1 && definition.type !== "eval" && definition.type !== "meta";
}

function band(
  priority: number,
  matchers: readonly Matcher[],
  facts: Matchers["facts"],
  calls: readonly EvalRule[],
  metas: MetaPlan,
): Band {
  const on = (where: string): readonly EvalRule[] =>
    calls.filter(
      ({ rule: { definition } }) => definition.type === "eval" && definition.on === where,
    );
  const evals = {
    header: on("header"),
    body: on("body"),
    rawbody: on("rawbody"),
    full: on("full"),
  };
  return { priority, texts: planTexts(matchers, facts), evals, metas };
}

/**
 * Calls that run by themselves: not those of DNS, whose hits come from outside, and none declared as `uri`, which SpamAssassin never
 * calls.
 */
function evalRules(
  rules: readonly Rule[],
  set: ScoreSet,
  evals: ReadonlyMap<string, Eval>,
  problems: Problem[],
): EvalRule[] {
  const found: EvalRule[] = [];
  rules.forEach((rule, index) => {
    const { definition, scores, flags, file, line } = rule;
    if (definition.type !== "eval" || scores[set] === 0) return;
    if (definition.on === "rbl" || definition.on === "uri") return;
    if (flags.has("net") && (set & 1) === 0) return;
    if (flags.has("learn") && (set & 2) === 0) return;
    const run = evals.get(definition.function);
    if (run === undefined) {
      const message = `${rule.name}: no eval function ${definition.function} here: it never hits`;
      problems.push({ file, line, message, mild: true });
    } else found.push({ index, rule, args: definition.args, run });
  });
  return found;
}
