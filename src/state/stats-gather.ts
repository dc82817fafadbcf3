// Counts in memory and writes behind: what a worker counts is added to the store every few seconds, and once more at the end. A
// store that is down costs no message anything; what was counted meanwhile is kept, within bounds.
import { randomUUID } from "node:crypto";
import {
  MAX_NAME,
  OTHER,
  startOf,
  TOP_KINDS,
  type StatCount,
  type StatKind,
  type StatsStore,
} from "./stats-store.ts";

export const FLUSH_EVERY_MS = 5000;
/** Different names of one kind in one hour between two flushes; more are counted under OTHER. */
const MAX_NAMES = 500;
/** Hours that wait for a store that is down; more count into the newest of them. */
const MAX_HOURS = 24;

export interface Counting {
  /** Adds to the hour of now. Never throws, never waits. */
  count(kind: StatKind, name: string, amount?: number): void;
}

export interface StatsGatherer extends Counting {
  /** Adds what was counted to the store; resolves also when that fails: then it is tried again later. */
  flush(): Promise<void>;
  /** The last flush; two tries. */
  close(): Promise<void>;
}

export interface GatherMeans {
  readonly store: StatsStore;
  readonly now?: () => number;
  readonly everyMs?: number;
  /** Told once when the store begins to fail. */
  readonly warn: (text: string) => void;
}

type Hour = Map<StatKind, Map<string, number>>;
interface Batch {
  readonly id: string;
  readonly counts: readonly StatCount[];
}

export function statsGatherer(means: GatherMeans): StatsGatherer {
  return new Gatherer(means);
}

class Gatherer implements StatsGatherer {
  private readonly means: GatherMeans;
  private readonly hours = new Map<number, Hour>();
  /** What was sent and may not have arrived: sent again under the same id. */
  private pending: Batch | null = null;
  private flushing: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private failing = false;
  private closed = false;

  constructor(means: GatherMeans) {
    this.means = means;
  }

  count(kind: StatKind, name: string, amount: number = 1): void {
    const names = this.names(kind);
    const key = isTop(kind) ? name.slice(0, MAX_NAME).toWellFormed() : name;
    const known = names.get(key);
    if (known !== undefined) names.set(key, known + amount);
    else if (names.size < MAX_NAMES) names.set(key, amount);
    else names.set(OTHER, (names.get(OTHER) ?? 0) + amount);
    if (this.timer === null && !this.closed) this.arm();
  }

  flush(): Promise<void> {
    this.flushing ??= this.send().finally(() => (this.flushing = null));
    return this.flushing;
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    // A flush that is under way has not taken what was counted since.
    for (let tries = 0; tries < 3 && this.waits(); tries++) await this.flush();
  }

  private waits(): boolean {
    return this.pending !== null || this.hours.size > 0 || this.flushing !== null;
  }

  /** The table of the kind in this hour. */
  private names(kind: StatKind): Map<string, number> {
    const now = startOf("hour", (this.means.now ?? Date.now)());
    const full = !this.hours.has(now) && this.hours.size >= MAX_HOURS;
    const start = full ? Math.max(...this.hours.keys()) : now;
    const hour: Hour = this.hours.get(start) ?? new Map<StatKind, Map<string, number>>();
    this.hours.set(start, hour);
    const names = hour.get(kind) ?? new Map<string, number>();
    hour.set(kind, names);
    return names;
  }

  private arm(): void {
    const run = (): void => {
      this.timer = null;
      void this.flush().then(() => {
        if (this.waits() && !this.closed && this.timer === null) this.arm();
      });
    };
    this.timer = setTimeout(run, this.means.everyMs ?? FLUSH_EVERY_MS).unref();
  }

  private async send(): Promise<void> {
    const { store, now = Date.now, warn } = this.means;
    this.pending ??= this.take();
    if (this.pending === null) return;
    try {
      await store.add(this.pending.id, this.pending.counts, now());
      this.pending = null;
      this.failing = false;
    } catch (error) {
      if (!this.failing) warn(`statistics wait for the store: ${(error as Error).message}`);
      this.failing = true;
    }
  }

  private take(): Batch | null {
    const counts: StatCount[] = [];
    for (const [start, hour] of this.hours)
      for (const [kind, names] of hour)
        for (const [name, count] of names) counts.push({ start, kind, name, count });
    this.hours.clear();
    return counts.length === 0 ? null : { id: randomUUID(), counts };
  }
}

function isTop(kind: StatKind): boolean {
  return (TOP_KINDS as readonly StatKind[]).includes(kind);
}
