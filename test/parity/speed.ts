// Asking a scorer about many messages, some at once, with the time each took and what it cost.

export interface Speed {
  readonly messages: number;
  readonly atOnce: number;
  readonly perSecond: number;
  /** Milliseconds per message. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** CPU per message; null when it cannot be known. */
  readonly cpuMs: number | null;
  readonly residentMiB: number | null;
  /** Whose memory that is. */
  readonly of: string;
}

export interface Meter {
  /** Seconds of CPU so far; null when it cannot be known. */
  cpuSeconds(): number | null;
  residentMiB(): number | null;
  readonly of: string;
}

/** Does `work` for each item, `atOnce` at a time, and for all of them again and again until `seconds` have passed. */
export async function measured<T>(
  items: readonly T[],
  { atOnce, seconds = 0 }: { readonly atOnce: number; readonly seconds?: number },
  meter: Meter,
  work: (item: T) => Promise<void>,
): Promise<Speed> {
  const times: number[] = [];
  const cpuBefore = meter.cpuSeconds();
  const start = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length || performance.now() - start < seconds * 1000) {
      const item = items[next++ % items.length] as T;
      const from = performance.now();
      await work(item);
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const took = (performance.now() - start) / 1000;
  const cpuAfter = meter.cpuSeconds();
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return {
    messages: times.length,
    atOnce,
    perSecond: times.length / took,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    cpuMs:
      cpuBefore === null || cpuAfter === null || times.length === 0
        ? null
        : ((cpuAfter - cpuBefore) * 1000) / times.length,
    residentMiB: meter.residentMiB(),
    of: meter.of,
  };
}
