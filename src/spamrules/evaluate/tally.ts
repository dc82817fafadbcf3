// The counts of one message: who hit how often, what was captured, and what it all comes to. Used by run.ts.
import { explanation } from "./explanation.ts";
import type { Program } from "../program.ts";
import type { Rule, Settings } from "../rulebook.ts";
import type { RuleHit } from "../verdict.ts";

/** Why the run ended early. */
export interface Shortcircuit {
  /** null: it was the points until then. */
  readonly rule: string | null;
  readonly type: "spam" | "ham";
  /** What it counts. */
  readonly points: number;
}

type Matched = { readonly where: string; readonly text: string };

/** Names of hits that no rule of the files has: a rule that ended the run, and a deadline that came. */
export const SHORTCIRCUIT = "SHORTCIRCUIT";
const PLUGIN = "Mail::SpamAssassin::Plugin::Shortcircuit";
const TIME_LIMIT = "TIME_LIMIT_EXCEEDED";
const TIME_LIMIT_POINTS = 0.001;

export class Tally {
  readonly #program: Program;
  readonly #onHit: ((rule: Rule) => void) | null;
  /** By place of the rule. */
  readonly counts: Float64Array;
  /** 1 for metas that name a rule which has hit, or may have, and for those that may hit when none has. */
  readonly touched: Uint8Array;
  readonly tags = new Map<string, readonly string[]>();
  readonly #matched = new Map<number, Matched>();
  readonly #hits: number[] = [];
  shortcircuit: Shortcircuit | null = null;
  /** Points until now, where settings ask for them. */
  #sum = 0;
  readonly #enough: { readonly below: number; readonly above: number } | null;

  constructor(program: Program, onHit: ((rule: Rule) => void) | null) {
    this.#program = program;
    this.#onHit = onHit;
    this.counts = new Float64Array(program.rules.length);
    this.touched = program.restless.slice();
    this.#enough = enoughIn(program.book.settings);
  }

  /** Adds hits to a rule. Values that make no sense count as one. */
  hit(place: number, count: number): void {
    const before = this.counts[place]!;
    this.counts[place] = before + (count > 0 ? count : 1);
    if (before !== 0) return;
    this.#hits.push(place);
    this.touch(place);
    const rule = this.#program.rules[place]!;
    if (rule.shortcircuit !== null) this.shortcircuit ??= this.#endedBy(rule, place);
    if (this.#enough !== null) this.#count(rule, place);
    this.#onHit?.(rule);
  }

  /** The metas that name the rule have to be answered. */
  touch(place: number): void {
    const metas = this.#program.dependents[place];
    if (metas !== undefined) for (let at = 0; at < metas.length; at++) this.touched[metas[at]!] = 1;
  }

  explain(place: number, where: string, text: string): void {
    if (!this.#matched.has(place)) this.#matched.set(place, { where, text: text.slice(0, 200) });
  }

  /** Points and hits, by name; `explain`: also why metas and eval functions hit. */
  sum(
    subrules: boolean,
    late: boolean,
    explain = false,
  ): { readonly total: number; readonly hits: RuleHit[] } {
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
      const matched = explain
        ? explanation(place, this.#program, this.counts, this.#matched)
        : (this.#matched.get(place) ?? null);
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
    if (this.shortcircuit !== null) yield this.#made(SHORTCIRCUIT, this.shortcircuit.points);
    if (late) yield this.#made(TIME_LIMIT, this.#pointsOf(TIME_LIMIT) ?? TIME_LIMIT_POINTS);
  }

  #made(rule: string, score: number): RuleHit {
    const describe = this.#program.book.rules.get(rule)?.describe ?? "";
    return { rule, score, describe, count: 1, matched: null };
  }

  #pointsOf(name: string): number | undefined {
    return this.#program.points[this.#program.places.get(name) ?? -1];
  }

  #endedBy({ name, shortcircuit: type }: Rule, place: number): Shortcircuit {
    const { shortcircuitSpamScore, shortcircuitHamScore } = this.#program.book.settings;
    if (type === "spam") return { rule: name, type, points: shortcircuitSpamScore };
    if (type === "ham") return { rule: name, type, points: shortcircuitHamScore };
    const isHam = this.#program.points[place]! < 0;
    return { rule: name, type: isHam ? "ham" : "spam", points: isHam ? -0.0001 : 0.0001 };
  }

  /** Ends the run when the points before this hit were enough: so late SpamAssassin looks. */
  #count({ name }: Rule, place: number): void {
    const before = this.#sum;
    if (!name.startsWith("__")) this.#sum += this.#program.points[place]!;
    const { below, above } = this.#enough!;
    if (!(before < below || before > above)) return;
    this.shortcircuit ??=
      before < 0
        ? { rule: null, type: "ham", points: -0.001 }
        : { rule: null, type: "spam", points: 0.001 };
  }
}

function enoughIn({ others, plugins }: Settings): { below: number; above: number } | null {
  const of = (name: string): string | undefined => others.get(name)?.at(-1);
  const below = of("shortcircuit_min_ham_score");
  const above = of("shortcircuit_max_spam_score");
  if (!plugins.has(PLUGIN) || (below === undefined && above === undefined)) return null;
  return { below: Number(below ?? "-Infinity"), above: Number(above ?? "Infinity") };
}

/** _SC_, _SCRULE_ and _SCTYPE_. */
export function shortcircuitTags(
  { plugins }: Settings,
  ended: Shortcircuit | null,
): [name: string, text: string][] {
  if (!plugins.has(PLUGIN)) return [];
  const rule = ended?.rule ?? null;
  return [
    ["SC", rule === null ? "no" : `${rule} (${ended?.type ?? ""})`],
    ["SCRULE", rule ?? "none"],
    ["SCTYPE", ended?.type ?? "no"],
  ];
}

/** To three decimals, as SpamAssassin rounds. */
function round(points: number): number {
  return Number(points.toFixed(3)) + 0;
}
