// One fault of the suite: what is done to the estate while mail flows. The list is in all-faults.ts.
import { BUDGET_MS, type Estate } from "./estate.ts";

export interface Fault {
  readonly name: string;
  /** Longest that one try may take, ms; the message's budget and a second when absent. */
  readonly deadlineMs?: number;
  /** Does its harm, again and again, until `flowing` says that the mail of this fault has been sent; then mends all. */
  strike(estate: Estate, flowing: () => boolean): Promise<void>;
}

/** A message's budget, and a second for a busy machine. */
export const DEADLINE_OF_TRY_MS = BUDGET_MS + 1000;

export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

export const between = (least: number, most: number): number =>
  least + Math.random() * (most - least);

/** Strikes at random moments and always at least once; `strike` mends what it did. */
export function atRandom(
  name: string,
  [least, most]: readonly [number, number],
  strike: (estate: Estate) => Promise<void> | void,
  deadlineMs?: number,
): Fault {
  return {
    name,
    ...(deadlineMs !== undefined && { deadlineMs }),
    async strike(estate, flowing) {
      do {
        await pause(between(least, most));
        await strike(estate);
      } while (flowing());
    },
  };
}
