// Deadlines by the thousand: what is nearly always done in time must not cost a timer each. All of them share one timer, armed
// for the earliest; taking one back is a removal from a set. For waits on checks and stores, which last long beside a tick.

/** One deadline that has not come yet. */
export interface Deadline {
  /** Milliseconds of performance.now(). */
  readonly due: number;
  readonly fire: () => void;
}

const open = new Set<Deadline>();
let timer: NodeJS.Timeout | null = null;
let armedFor = Infinity;

/**
 * Calls `fire` once after `ms` milliseconds (at most 24 days; never before the next turn of the event loop), unless cleared
 * before. As with a timer, the process stays alive for it. `fire` must not throw.
 */
export function deadline(ms: number, fire: () => void): Deadline {
  const one = { due: performance.now() + ms, fire };
  open.add(one);
  if (one.due < armedFor) arm(one.due, ms);
  else if (open.size === 1) timer?.ref();
  return one;
}

/** Takes a deadline back; nothing happens when it has come or was taken back already. */
export function clearDeadline(one: Deadline): void {
  if (open.delete(one) && open.size === 0) timer?.unref();
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
  for (const one of late) if (open.delete(one)) one.fire();
  if (open.size === 0) (timer as NodeJS.Timeout | null)?.unref();
}
