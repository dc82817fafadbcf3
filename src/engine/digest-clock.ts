// When a digest is due: once a day from a time of day on, in the machine's time zone. A host that was down then catches up on the same
// day. Every process asks; a lease lets one of them work at a time, and another one goes on should it die.
import type { RateStore } from "../state/rate-store.ts";
import type { DigestRun } from "./digest.ts";

export interface DigestClock {
  /** "07:00". */
  readonly at: string;
  readonly once: Pick<RateStore, "take">;
  /** Names this quarantine among those of other hosts that share `once`. */
  readonly store: string;
  /** Sends what is still owed; true when nothing is left. */
  run(run: DigestRun): Promise<boolean>;
}

/** How long one process has the work to itself. */
export const LEASE_MS = 600_000;

/** To be asked every minute or so, with the time; resolves when this process has done what there is to do now. */
export function digestTicks(clock: DigestClock): (now: Date) => Promise<void> {
  let doneUntil = 0;
  let running = false;
  return async (now) => {
    const run = runOf(clock.at, now);
    if (running || now < run.until || run.until.getTime() <= doneUntil) return;
    running = true;
    try {
      const slot = Math.floor(now.getTime() / LEASE_MS);
      const lease = `digest-lease ${clock.store} ${run.name ?? ""} ${slot}`;
      const mine = await clock.once.take(lease, "", 1, 1, 2 * LEASE_MS, now.getTime());
      if (mine.allowed && (await clock.run(run))) doneUntil = run.until.getTime();
    } finally {
      running = false;
    }
  };
}

/** The run of the day of `now`: it tells of the time between yesterday's moment and today's. */
export function runOf(at: string, now: Date): DigestRun {
  const [hour = 0, minute = 0] = at.split(":").map(Number);
  const moment = (days: number): Date =>
    new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour, minute);
  const until = moment(0);
  const two = (part: number): string => String(part).padStart(2, "0");
  const name = `${until.getFullYear()}-${two(until.getMonth() + 1)}-${two(until.getDate())}`;
  return { since: moment(-1), until, now, name };
}
