// Greylist decisions of one turn of the event loop, and those asked for while others are under way, as one question to a store: a
// network write, a parse and a wake-up are shared. Called by redis-greylist.ts.
import type { GreylistAnswer, GreylistQuestion, GreylistTimes } from "./greylist-store.ts";

/** One decision; rejects when the store is down or late. */
export type Decide = (
  question: GreylistQuestion,
  times: GreylistTimes,
  now: number,
  write: boolean,
) => Promise<GreylistAnswer>;

export interface Asked {
  readonly question: GreylistQuestion;
  readonly now: number;
  readonly write: boolean;
}

interface Waiter extends Asked {
  readonly resolve: (answer: GreylistAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Decisions in one batch: bounds how long the store serves nobody else. */
const MAX_BATCH = 50;
/** Batches under way at once: what is asked meanwhile shares the next one, and a slow network still has enough on its way. */
const MAX_FLYING = 2;

/** `ask` answers a batch in its order; when it rejects, all of the batch are rejected. */
export function inBatches(
  ask: (asked: readonly Asked[], times: GreylistTimes) => Promise<readonly GreylistAnswer[]>,
): Decide {
  let batch: Waiter[] = [];
  let of: GreylistTimes | null = null;
  let flying = 0;
  const send = (): void => {
    const asked = batch;
    if (of === null || asked.length === 0) return;
    batch = [];
    flying++;
    ask(asked, of).then(
      (answers) => {
        landed();
        for (const [n, { resolve, reject }] of asked.entries()) {
          const answer = answers[n];
          if (answer === undefined) reject(new Error("greylist store: an answer is missing"));
          else resolve(answer);
        }
      },
      (error: unknown) => {
        landed();
        for (const { reject } of asked) reject(error);
      },
    );
  };
  const landed = (): void => {
    flying--;
    if (batch.length > 0) send();
  };
  const sendIfFew = (): void => {
    if (flying < MAX_FLYING) send();
  };
  return (question, times, now, write) =>
    new Promise((resolve, reject) => {
      if (of !== times || batch.length >= MAX_BATCH) send();
      of = times;
      batch.push({ question, now, write, resolve, reject });
      if (batch.length === 1) setImmediate(sendIfFew);
    });
}
