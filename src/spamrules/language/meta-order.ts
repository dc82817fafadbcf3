// In which order metas can be answered, and which never are.
import type { Rule } from "../rulebook.ts";
import { namesIn } from "./meta.ts";

export interface MetaOrder {
  /** Every meta that can hit, after all metas that it names. */
  readonly order: readonly string[];
  /** Those that hang on themselves, or on one that does: they never hit. */
  readonly circular: readonly string[];
}

/** Sorts metas (name to the names in it); names that are no metas do not matter. Linear. */
export function sortMetas(metas: ReadonlyMap<string, readonly string[]>): MetaOrder {
  const waiting = new Map<string, number>();
  const dependents = new Map<string, string[]>();
  for (const [name, names] of metas) {
    const needed = names.filter((other) => metas.has(other));
    waiting.set(name, needed.length);
    for (const other of needed) {
      const list = dependents.get(other);
      if (list === undefined) dependents.set(other, [name]);
      else list.push(name);
    }
  }
  const order = [...metas.keys()].filter((name) => waiting.get(name) === 0);
  for (let i = 0; i < order.length; i++) {
    for (const dependent of dependents.get(order[i] ?? "") ?? []) {
      const left = (waiting.get(dependent) ?? 0) - 1;
      waiting.set(dependent, left);
      if (left === 0) order.push(dependent);
    }
  }
  const circular = [...waiting].filter(([, left]) => left > 0).map(([name]) => name);
  return { order, circular };
}

/** A meta that is answered. */
export interface Runnable {
  readonly name: string;
  /** It has no points: it never hits. While its value is 0 it counts as 0; else those that name it are never answered. */
  readonly mute: boolean;
}

/**
 * The metas of a book that are answered under a score set, in an order in which each finds its names answered. SpamAssassin answers a meta
 * without points as soon as all that it names is answered; one that waits for a rule which never runs is given up in the end, and
 * neither is any meta answered then that names it, not even by "!". (A rule of another kind without points simply counts as 0.)
 */
export function runnableMetas(
  rules: ReadonlyMap<string, Rule>,
  set: 0 | 1 | 2 | 3,
): readonly Runnable[] {
  const metas = new Map<string, string[]>();
  for (const rule of rules.values())
    if (rule.definition.type === "meta") metas.set(rule.name, namesIn(rule.definition.expression));
  const dead = new Set<string>();
  const early = new Set<string>();
  const found: Runnable[] = [];
  for (const name of sortMetas(metas).order) {
    const names = metas.get(name) ?? [];
    const isEarly =
      !isPlaceholder(rules.get(name)) &&
      names.every((other) =>
        metas.has(other) ? early.has(other) : runsBeforeTheEnd(rules.get(other), set),
      );
    if (isEarly) early.add(name);
    const mute = rules.get(name)?.scores[set] === 0;
    if ((mute && !isEarly) || names.some((other) => dead.has(other))) dead.add(name);
    else found.push({ name, mute });
  }
  return found;
}

/** "meta NAME ()": its hits come from elsewhere, if at all. */
function isPlaceholder(rule: Rule | undefined): boolean {
  return rule?.definition.type === "meta" && /^\s*\(\s*\)\s*$/.test(rule.definition.expression);
}

/** Whether a rule that is no meta has its answer before what is left over is settled. */
function runsBeforeTheEnd(rule: Rule | undefined, set: 0 | 1 | 2 | 3): boolean {
  if (rule === undefined || rule.scores[set] === 0) return false;
  const { type } = rule.definition;
  if (type === "askdns" || type === "empty") return false;
  if (type !== "eval") return true;
  if (rule.definition.on === "rbl" || rule.definition.on === "uri") return false;
  return !rule.flags.has("net") && !(rule.flags.has("learn") && (set & 2) === 0);
}
