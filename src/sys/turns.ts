// Long computations written once, as generators that yield where others may have their turn: run at one go (commands, start)
// or in short steps between which the event loop runs (reloads beside live mail).
import { setImmediate } from "node:timers/promises";

/** How long a step holds the event loop. */
const STEP_MS = 3;

/** Runs to the end without a pause. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Runs to the end, giving the event loop a turn every few milliseconds. Rejects with what the computation throws. */
export async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  let since = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - since < STEP_MS) continue;
    await setImmediate();
    since = performance.now();
  }
}
