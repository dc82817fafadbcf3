// Deadlines by the thousand: what is nearly always done in time must not cost a timer each. All of them share one timer, armed
// for the earliest; taking one back is a removal from a list. For waits on checks and stores, which last long beside a tick.

/** One deadline that has not come yet. */
export interface Deadline {
  /** Milliseconds of performance.now(). */
  readonly due: number;
  readonly fire: () => void;
  /** Its place among those that are open; -1 when it is over. */
  place: number;
}

/**
 * In no order. Not a Set: one that is always added to and taken from leaves tables behind, each pointing to the next, and with them
 * all that was waited for survives collections of young garbage.
 */
const open: Deadline[] = [];
let timer: NodeJS.Timeout | null = null;
let armedFor = Infinity;

/**
 * Calls `fire` once after `ms` milliseconds (at most 24 days; never before the next turn of the event loop), unless cleared
 * before. As with a timer, the process stays alive for it. `fire` must not throw.
 */
export function deadline(ms: number, fire: () => void): Deadline {
  const one = { due: performance.now() + ms, fire, place: open.length };
  open.push(one);
  if (one.due < armedFor) arm(one.due, ms);
  else if (open.length === 1) timer?.ref();
  return one;
}

/** Takes a deadline back; nothing happens when it has come or was taken back already. */
export function clearDeadline(one: Deadline): void {
  if (remove(one) && open.length === 0) timer?.unref();
}

/** False when it was over already. The last one takes its place. */
function remove(one: Deadline): boolean {
  const { place } = one;
  if (place < 0) return false;
  one.place = -1;
  const last = open.pop();
  if (last !== undefined && last !== one) {
    last.place = place;
    open[place] = last;
  }
  return true;
}

function arm(due: number, ms: number): void {
  if (timer !== null) clearTimeout(timer);
  armedFor = due;
  timer = setTimeout(come, Math.ceil(ms));
}

/** Fires what is due and waits for the earliest of the rest. The timer may be early by its rounding. */
function come(): void {
  timer = null;
  armedFor = Infinity;
  const now = performance.now() + 1;
  const late: Deadline[] = [];
  let next = Infinity;
  for (const one of open) {
    if (one.due <= now) late.push(one);
    else if (one.due < next) next = one.due;
  }
  if (next < Infinity) arm(next, next - now);
  late.sort((a, b) => a.due - b.due);
  for (const one of late) if (remove(one)) one.fire();
  if (open.length === 0) (timer as NodeJS.Timeout | null)?.unref();
}
