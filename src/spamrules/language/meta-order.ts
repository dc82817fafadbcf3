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

/**
 * The metas of a book that can hit under a score set, in an order in which each finds its names answered. A meta without points in
 * that set is never answered, and neither is any meta that names it, not even by "!": SpamAssassin waits for it in vain. (A rule of
 * another kind without points simply counts as 0.)
 */
export function runnableMetas(rules: ReadonlyMap<string, Rule>, set: 0 | 1 | 2 | 3): string[] {
  const metas = new Map<string, string[]>();
  for (const rule of rules.values())
    if (rule.definition.type === "meta") metas.set(rule.name, namesIn(rule.definition.expression));
  const dead = new Set<string>();
  return sortMetas(metas).order.filter((name) => {
    const lives =
      rules.get(name)?.scores[set] !== 0 &&
      !(metas.get(name) ?? []).some((other) => dead.has(other));
    if (!lives) dead.add(name);
    return lives;
  });
}
