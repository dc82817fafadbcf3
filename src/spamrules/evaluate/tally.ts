// The counts of one message: who hit how often, what was captured, and what it all comes to. Used by run.ts.
import type { Program } from "../program.ts";
import type { Rule } from "../rulebook.ts";
import type { RuleHit } from "../verdict.ts";

type Matched = { readonly where: string; readonly text: string };

/** Names of hits that no rule of the files has: a rule that ended the run, and a deadline that came. */
const SHORTCIRCUIT = "SHORTCIRCUIT";
const TIME_LIMIT = "TIME_LIMIT_EXCEEDED";
const TIME_LIMIT_POINTS = 0.001;

export class Tally {
  readonly #program: Program;
  readonly #onHit: ((rule: Rule) => void) | null;
  /** By place of the rule. */
  readonly counts: Float64Array;
  /** 1 for metas that name a rule which has hit. */
  readonly touched: Uint8Array;
  readonly tags = new Map<string, readonly string[]>();
  readonly #matched = new Map<number, Matched>();
  readonly #hits: number[] = [];
  /** The rule that ended the run. */
  shortcircuit: Rule | null = null;

  constructor(program: Program, onHit: ((rule: Rule) => void) | null) {
    this.#program = program;
    this.#onHit = onHit;
    this.counts = new Float64Array(program.rules.length);
    this.touched = new Uint8Array(program.rules.length);
  }

  /** Adds hits to a rule. Values that make no sense count as one. */
  hit(place: number, count: number): void {
    const before = this.counts[place]!;
    this.counts[place] = before + (count > 0 ? count : 1);
    if (before !== 0) return;
    this.#hits.push(place);
    for (const meta of this.#program.dependents[place] ?? NONE) this.touched[meta] = 1;
    const rule = this.#program.rules[place]!;
    if (rule.shortcircuit !== null) this.shortcircuit ??= rule;
    this.#onHit?.(rule);
  }

  explain(place: number, where: string, text: string): void {
    if (!this.#matched.has(place)) this.#matched.set(place, { where, text: text.slice(0, 200) });
  }

  /** Points and hits, by name. */
  sum(subrules: boolean, late: boolean): { readonly total: number; readonly hits: RuleHit[] } {
    const hits: RuleHit[] = [];
    let total = 0;
    for (const place of this.#hits) {
      const rule = this.#program.rules[place]!;
      const count = this.counts[place]!;
      const isSubrule = rule.name.startsWith("__");
      // SpamAssassin adds the points of a rule with `tflags multiple` at each of its hits.
      const times = this.#program.repeats[place] === 1 ? count : 1;
      const score = isSubrule ? 0 : this.#program.points[place]! * times;
      total += score;
      if (isSubrule && !subrules) continue;
      const matched = this.#matched.get(place) ?? null;
      hits.push({ rule: rule.name, score: round(score), describe: rule.describe, count, matched });
    }
    for (const extra of this.#extra(late)) {
      total += extra.score;
      hits.push(extra);
    }
    hits.sort((one, other) => (one.rule < other.rule ? -1 : 1));
    return { total: round(total), hits };
  }

  *#extra(late: boolean): Generator<RuleHit> {
    if (this.shortcircuit !== null) yield this.#made(SHORTCIRCUIT, this.#shortcircuitPoints());
    if (late) yield this.#made(TIME_LIMIT, this.#pointsOf(TIME_LIMIT) ?? TIME_LIMIT_POINTS);
  }

  #made(rule: string, score: number): RuleHit {
    const describe = this.#program.book.rules.get(rule)?.describe ?? "";
    return { rule, score, describe, count: 1, matched: null };
  }

  #pointsOf(name: string): number | undefined {
    return this.#program.points[this.#program.places.get(name) ?? -1];
  }

  #shortcircuitPoints(): number {
    const { settings } = this.#program.book;
    const rule = this.shortcircuit;
    if (rule?.shortcircuit === "spam") return settings.shortcircuitSpamScore;
    if (rule?.shortcircuit === "ham") return settings.shortcircuitHamScore;
    return (this.#pointsOf(rule?.name ?? "") ?? 0) < 0 ? -0.0001 : 0.0001;
  }
}

const NONE: readonly number[] = [];

/** To three decimals, as SpamAssassin rounds. */
function round(points: number): number {
  return Number(points.toFixed(3)) + 0;
}
