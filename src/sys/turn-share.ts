// How long work on octets may hold the event loop between two turns of everybody else: one allowance for the whole process,
// since fifty messages that each take their two milliseconds hold it for a hundred. Used where messages are walked.

/** What all work together may take in one turn, in milliseconds. */
const SHARE_MS = 2;

let spent = 0;
let armed = false;
const waiting: (() => void)[] = [];

/** Milliseconds that are left of this turn; zero or less: wait for nextTurn() before going on. */
export function shareLeft(): number {
  return SHARE_MS - spent;
}

/** Notes that the event loop was held for `ms`. */
export function spend(ms: number): void {
  spent += ms;
  arm();
}

/** Resolves in a later turn, when nobody who waits longer has used it up; go on at once then. */
export function nextTurn(): Promise<void> {
  arm();
  return new Promise((resolve) => waiting.push(resolve));
}

function arm(): void {
  if (armed) return;
  armed = true;
  setImmediate(turn);
}

function turn(): void {
  armed = false;
  spent = 0;
  wake();
}

/** Wakes one after the other: each runs before this looks again at what is left. */
function wake(): void {
  if (spent >= SHARE_MS) return arm();
  const next = waiting.shift();
  if (next === undefined) return;
  next();
  queueMicrotask(wake);
}
