// Runs a program over a message: band after band as SpamAssassin does, until all rules have their counts, the deadline comes, or a
// rule ends it. What is asked outside of the thread (DNS, Bayes) comes in between run() and finish(). Called by the engine's threads.
import { TextReader } from "./evaluate/reader.ts";
import { shortcircuitTags, Tally } from "./evaluate/tally.ts";
import type { EvalContext, Proofs } from "./evals/eval.ts";
import type { CompiledMeta, MetaPlan } from "./evaluate/metas.ts";
import { Postponed } from "./evaluate/postponed.ts";
import { Waiting } from "./evaluate/waiting.ts";
import type { Known } from "./language/bounds.ts";
import type { Band, EvalRule, Program } from "./program.ts";
import type { Rule } from "./rulebook.ts";
import type { Subject } from "./subject.ts";
import { fieldText } from "./tags.ts";
import type { Scored } from "./verdict.ts";

export interface RunOptions {
  readonly proofs: Proofs;
  /** Say where and on what rules hit; costs. */
  readonly explain?: boolean;
  /** By performance.now(): no rule on a text of 4,000 octets is begun after it, and at most 40 on shorter ones. */
  readonly deadline?: number;
  /** Told the name of each rule that is about to run. */
  readonly progress?: (rule: string) => void;
  /** Told of each rule's first hit, as it happens. */
  readonly onHit?: (rule: Rule) => void;
  /** Told of eval functions that threw, and of patterns too large for V8. */
  readonly onFault?: (rule: Rule, error: unknown) => void;
}

/** Answers from outside of the thread. */
export interface LateAnswers {
  /** Rules that ask DNS and hit, and on what. */
  readonly hits?: ReadonlyMap<string, string>;
  /** null: Bayes says nothing. */
  readonly bayes?: number | null;
}

export interface Running {
  /** Hits by place of the rule in the program, without those of rules that still wait. */
  readonly counts: Float64Array;
  /** What rules have captured and eval functions have set. */
  readonly tags: ReadonlyMap<string, readonly string[]>;
  /** Nothing that comes from outside counts any more: a rule has ended the run, or the deadline. */
  readonly ended: boolean;
  /** Settles what waited and adds up; once. `subrules`: hits of rules whose name starts with "__" too. */
  finish(late?: LateAnswers, subrules?: boolean): Scored;
}

/** Never throws for anything that a message or a rule holds. */
export function run(program: Program, subject: Subject, options: RunOptions): Running {
  const running = new Run(program, subject, options);
  running.bands();
  return running;
}

/** Octets that rules may read between two looks at the clock, each counted with 100 more; an eval function is as good as this many. */
const WATCHED = 4000;
const AN_EVAL = 1000;

class Run implements Running {
  readonly #program: Program;
  readonly #options: RunOptions;
  readonly #subject: Subject;
  readonly #tally: Tally;
  readonly #reader: TextReader;
  readonly #postponed: Postponed;
  readonly #known: Known;
  readonly #memo = new Map<symbol, unknown>();
  readonly #waiting: Waiting;
  /** What FreeMail has left of the body for `body` rules; null: all of it. */
  #body: readonly string[] | null = null;
  /** The rule at which the deadline came. */
  #stoppedAt: string | null = null;
  /** What rules have read since the last look at the clock: a look takes as long as a rule on a short text. */
  #unwatched = Infinity;

  constructor(program: Program, subject: Subject, options: RunOptions) {
    this.#program = program;
    this.#subject = subject;
    this.#options = options;
    this.#tally = new Tally(program, options.onHit ?? null);
    this.#postponed = new Postponed(program.rules.length);
    const { pending } = this.#postponed;
    this.#waiting = new Waiting((meta) => {
      for (const place of meta.places) this.#settle(place);
      return meta.evaluate(this.counts);
    });
    this.#known = { counts: this.#tally.counts, pending, most: program.most, low: 0 };
    this.#reader = new TextReader(program, this.#tally, this.#postponed, {
      goOn: (rule, octets) => this.#goOn(rule, octets),
      explain: options.explain ?? false,
      fault: (rule, error) => options.onFault?.(rule, error),
      field: (name) => fieldText(subject, name),
    });
  }

  get counts(): Float64Array {
    return this.#tally.counts;
  }

  get tags(): ReadonlyMap<string, readonly string[]> {
    return this.#tally.tags;
  }

  get ended(): boolean {
    return this.#tally.shortcircuit !== null || this.#stoppedAt !== null;
  }

  bands(): void {
    for (const band of this.#program.bands) {
      for (const step of STEPS) {
        if (this.ended) return;
        const body = (): readonly string[] => this.#body ?? this.#subject.body;
        step(band, this.#subject, this.#reader, (rules) => this.#evals(rules), body);
      }
      this.#metas(band.metas);
    }
  }

  finish({ hits, bayes = null }: LateAnswers = {}, subrules = false): Scored {
    if (!this.ended) {
      this.#evals(this.#program.late, bayes);
      for (const [name, about] of hits ?? []) this.#lateHit(name, about);
      this.#metas(this.#program.lateMetas);
    }
    if (subrules) this.#postponed.pending.forEach((_, place) => this.#settle(place));
    const { total, hits: found } = this.#tally.sum(
      subrules,
      this.#stoppedAt !== null,
      this.#options.explain,
    );
    const { settings } = this.#program.book;
    const captured = [...this.#tally.tags].map(([name, texts]) => [name, texts.join(" ")] as const);
    return {
      total,
      required: settings.requiredScore,
      hits: found,
      partial: this.#stoppedAt === null ? null : { rule: this.#stoppedAt },
      autolearn: "disabled",
      bayes,
      tags: new Map([...shortcircuitTags(settings, this.#tally.shortcircuit), ...captured]),
    };
  }

  #lateHit(name: string, about: string): void {
    const place = this.#program.places.get(name);
    if (place === undefined || this.#program.points[place] === 0) return;
    this.#tally.hit(place, 1);
    this.#tally.explain(place, "DNS", about);
  }

  #evals(rules: readonly EvalRule[], bayes: number | null = null): void {
    if (rules.length === 0) return;
    const context = this.#context(bayes);
    for (const { index, rule, args, run: call } of rules) {
      if (!this.#goOn(rule)) return;
      try {
        const result = call(context, args, rule);
        if (result !== false && result !== 0) this.#tally.hit(index, result === true ? 1 : result);
      } catch (error) {
        this.#options.onFault?.(rule, error);
      }
    }
  }

  #context(bayes: number | null): EvalContext {
    const { book, local, places } = this.#program;
    const memo = this.#memo;
    return {
      subject: this.#subject,
      book,
      proofs: this.#options.proofs,
      local,
      bayes,
      hits: (name) => this.#hits(places.get(name)),
      memo: <T>(key: symbol, make: () => T): T => {
        if (!memo.has(key)) memo.set(key, make());
        return memo.get(key) as T;
      },
      tag: (name, value) => this.#tally.tags.set(name.toUpperCase(), [value]),
      alterBody: (lines) => {
        this.#body = lines;
      },
    };
  }

  #hits(place: number | undefined): number {
    if (place === undefined) return 0;
    this.#settle(place);
    return this.counts[place]!;
  }

  #metas(metas: MetaPlan): void {
    if (this.ended) return;
    const { touched } = this.#tally;
    const { pending } = this.#postponed;
    const { all, places } = metas;
    for (let at = 0; at < places.length; at++) {
      if (touched[places[at]!] === 0) continue;
      const meta = all[at]!;
      if (meta.postponable && waits(meta, pending)) {
        pending[meta.index] = 1;
        this.#tally.touch(meta.index);
      } else this.#answer(meta);
    }
  }

  /** Finds out what has been postponed of a rule. */
  #settle(place: number): void {
    if (this.#postponed.pending[place] === 0) return;
    const meta = this.#program.metas.get(place);
    this.#postponed.pending[place] = 0;
    if (meta === undefined) this.#reader.settle(place, this.#subject);
    else this.#answer(meta);
  }

  /** Looks no further than what decides whether it hits. */
  #answer(meta: CompiledMeta): void {
    const { pending } = this.#postponed;
    const { places } = meta;
    let settled = 0;
    for (let at = 0; at < places.length; at++) {
      const place = places[at]!;
      if (pending[place] === 0) continue;
      // To ask each time would take the square of their number.
      const isTime = (settled & (settled - 1)) === 0;
      if (isTime && meta.bounds(this.#known) === 0 && this.#known.low === 0) return;
      this.#settle(place);
      settled++;
    }
    const value = meta.evaluate(this.counts);
    // An answer below 0 counts as one hit.
    if (value !== 0 && !this.#waiting.inVain(meta))
      this.#tally.hit(meta.index, value < 0 ? 1 : value);
  }

  /** Whether there is time for this rule, which reads so many octets. */
  #goOn(rule: Rule, octets = AN_EVAL): boolean {
    if (this.#stoppedAt !== null) return false;
    const { deadline, progress } = this.#options;
    this.#unwatched += octets + 100;
    if (deadline !== undefined && this.#unwatched > WATCHED) {
      this.#unwatched = 0;
      if (performance.now() > deadline) {
        this.#stoppedAt = rule.name;
        return false;
      }
    }
    progress?.(rule.name);
    return true;
  }
}

/** Whether one that it names does. */
function waits({ places }: CompiledMeta, pending: Uint8Array): boolean {
  for (let at = 0; at < places.length; at++) if (pending[places[at]!] !== 0) return true;
  return false;
}

type Step = (
  band: Band,
  subject: Subject,
  reader: TextReader,
  evals: (rules: readonly EvalRule[]) => void,
  body: () => readonly string[],
) => void;

/** What runs in a band, in this order. */
const STEPS: readonly Step[] = [
  ({ texts }, subject, reader) => reader.fields(texts.fields, subject),
  ({ evals }, _subject, _reader, call) => call(evals.header),
  ({ texts }, _subject, reader, _call, body) => reader.texts(texts.body, "body", body),
  ({ texts }, subject, reader) => reader.texts(texts.uri, "uri", () => subject.uris),
  ({ evals }, _subject, _reader, call) => call(evals.body),
  ({ texts }, subject, reader) => reader.mimeHeaders(texts.mimeHeaders, subject),
  ({ texts }, subject, reader) => reader.uriDetails(texts.uriDetails, subject),
  ({ texts }, subject, reader) => reader.texts(texts.rawbody, "rawbody", () => subject.rawbody),
  ({ evals }, _subject, _reader, call) => call(evals.rawbody),
  ({ texts }, subject, reader) => reader.texts(texts.full, "full", () => [subject.pristine]),
  ({ evals }, _subject, _reader, call) => call(evals.full),
];
