// An ordered list of rules asked "which of you match?": exact keys in one map, the rest in a loop. Positions come back in
// the order of the file, so that the first match wins however the rules are stored. Used by addresses.ts and networks.ts.
import type { Test } from "./patterns.ts";

const NONE: readonly number[] = [];

/** Positions of rules under keys and tests; grows while compiling, then only read. */
export interface Positions {
  /** Puts the rule at `position` under an exact key. */
  key(key: string, position: number): void;
  /** Puts the rule at `position` under a test, for subjects that no key describes. */
  test(test: Test, position: number): void;
  /** Every such position, ascending, without repetitions. */
  all(keys: readonly string[], subject: string): readonly number[];
}

/** An empty list. */
export function positions(): Positions {
  const exact = new Map<string, number[]>();
  const tests: { readonly test: Test; readonly position: number }[] = [];
  return {
    key(key, position) {
      const list = exact.get(key);
      if (list === undefined) exact.set(key, [position]);
      else if (list.at(-1) !== position) list.push(position);
    },
    test(test, position) {
      tests.push({ test, position });
    },
    all(keys, subject) {
      if (exact.size === 0 && tests.length === 0) return NONE;
      const found: number[] = [];
      for (const key of keys) {
        const list = exact.get(key);
        if (list !== undefined) found.push(...list);
      }
      for (const { test, position } of tests) if (test(subject)) found.push(position);
      if (found.length < 2) return found;
      return [...new Set(found)].sort((a, b) => a - b);
    },
  };
}
