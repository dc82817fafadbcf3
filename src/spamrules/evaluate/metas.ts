// When metas are answered: each as soon as all rules that it names have been, at the end of the band of the last of them, so that a
// meta can end the run (shortcircuit) as early as in SpamAssassin; those that name a rule which never runs, or is answered outside of
// the thread, at the very end. Used by program.ts; run.ts answers them.
import type { Bounds } from "../language/bounds.ts";
import { compileMeta } from "../language/meta.ts";
import { runnableMetas } from "../language/meta-order.ts";
import type { Rule, RuleBook } from "../rulebook.ts";

export interface CompiledMeta {
  readonly index: number;
  readonly rule: Rule;
  evaluate(counts: ArrayLike<number>): number;
  /** Whether it may hit when nothing that it names has. */
  readonly restless: boolean;
  /** Those that it names. */
  readonly places: Int32Array;
  readonly bounds: Bounds;
  /** Whether nobody but other metas asks for it. */
  readonly postponable: boolean;
  /** Metas without points that it names: it is answered only where none of them has a value. */
  readonly mute: readonly CompiledMeta[];
  /** Other metas that it names and of which the same is true. */
  readonly wary: readonly CompiledMeta[];
}

/** In an order in which each finds the metas answered that it names. */
export interface MetaPlan {
  readonly all: readonly CompiledMeta[];
  /** Of each. */
  readonly places: Int32Array;
}

export interface MetaPlans {
  /** Priorities at whose end a meta is answered. */
  readonly priorities: readonly number[];
  at(priority: number): MetaPlan;
  readonly late: MetaPlan;
  readonly byPlace: ReadonlyMap<number, CompiledMeta>;
  /** By place of a rule: places of the metas that name it. */
  readonly dependents: readonly (Int32Array | undefined)[];
}

interface Options {
  readonly set: 0 | 1 | 2 | 3;
  readonly local: boolean;
  readonly places: ReadonlyMap<string, number>;
}

export function planMetas(book: RuleBook, { set, local, places }: Options): MetaPlans {
  const bands = new Map<number, CompiledMeta[]>();
  const late: CompiledMeta[] = [];
  /** The priority at whose end a meta is answered; Infinity: at the very end. */
  const answeredAt = new Map<string, number>();
  const dependents: number[][] = [];
  const all = new Map<number, CompiledMeta>();
  const first = Math.min(...[...book.rules.values()].map(({ priority }) => priority), 0);
  const indexOf = (other: string): number => places.get(other) ?? -1;
  const mutes = new Map<string, CompiledMeta>();
  const wary = new Map<string, CompiledMeta>();
  for (const { name, mute } of runnableMetas(book.rules, set)) {
    const rule = book.rules.get(name);
    const index = indexOf(name);
    if (rule?.definition.type !== "meta" || index < 0) continue;
    const compiled = compileMeta(rule.definition.expression, indexOf, local);
    const { names } = compiled;
    const meta: CompiledMeta = {
      index,
      rule,
      evaluate: compiled.evaluate,
      restless: compiled.atRest !== 0,
      places: Int32Array.from(names.map(indexOf).filter((place) => place >= 0)),
      bounds: compiled.bounds,
      postponable: isSubrule(rule) && rule.shortcircuit === null,
      mute: among(mutes, names),
      wary: among(wary, names),
    };
    let when = first;
    for (const other of names)
      when = Math.max(when, answeredAt.get(other) ?? runsAt(book.rules.get(other), set));
    answeredAt.set(name, when);
    if (mute) {
      mutes.set(name, meta);
      continue;
    }
    if (meta.mute.length > 0 || meta.wary.length > 0) wary.set(name, meta);
    all.set(index, meta);
    for (const place of meta.places) (dependents[place] ??= []).push(index);
    if (when === Infinity) late.push(meta);
    else bands.set(when, [...(bands.get(when) ?? []), meta]);
  }
  return {
    priorities: [...bands.keys()],
    at: (priority) => planOf(bands.get(priority) ?? []),
    late: planOf(late),
    byPlace: all,
    dependents: dependents.map((list) => Int32Array.from(list)),
  };
}

function among(metas: ReadonlyMap<string, CompiledMeta>, names: readonly string[]): CompiledMeta[] {
  return names.map((name) => metas.get(name)).filter((meta) => meta !== undefined);
}

function planOf(all: readonly CompiledMeta[]): MetaPlan {
  return { all, places: Int32Array.from(all, ({ index }) => index) };
}

/** A rule that only others count. */
export function isSubrule({ name }: Rule): boolean {
  return name.startsWith("__");
}

/** The priority at which a rule that is no meta has its answer; Infinity when that is not in this run. */
function runsAt(rule: Rule | undefined, set: 0 | 1 | 2 | 3): number {
  if (rule === undefined || rule.scores[set] === 0) return Infinity;
  const { type } = rule.definition;
  if (type === "askdns" || type === "empty" || type === "meta") return Infinity;
  if (type === "eval" && (rule.flags.has("net") || rule.flags.has("learn"))) return Infinity;
  if (type === "eval" && (rule.definition.on === "rbl" || rule.definition.on === "uri"))
    return Infinity;
  return rule.priority;
}
