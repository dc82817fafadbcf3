// The metrics of all workers of a supervisor, those that are gone included: counters never go back when a worker ends. What the
// dead leave is one sum, however many they are; their gauges end with them. Called by crew.ts.
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";
import type { MetricsJson } from "./process-messages.ts";

export interface Tally<W> {
  /** The latest values of a live worker. */
  sample(worker: W, metrics: MetricsJson): void;
  /** A worker is gone: its last sample stays counted. Again is harmless. */
  gone(worker: W): void;
  /** The latest values of each live worker, and the sum of the dead in front. */
  all(): Promise<MetricsJson[]>;
}

/** Nobody has counted anything yet. */
export function tally<W>(): Tally<W> {
  const latest = new Map<W, MetricsJson>();
  let dead: MetricsJson = [];
  /** Left by workers since the last sum. */
  let left: MetricsJson[] = [];
  let summing: Promise<void> = Promise.resolve();

  const sumUp = async (): Promise<void> => {
    if (left.length === 0) return;
    const parts = [dead, ...left];
    left = [];
    dead = await summed(parts);
  };
  return {
    sample(worker, metrics) {
      latest.set(worker, metrics);
    },
    gone(worker) {
      const last = latest.get(worker);
      latest.delete(worker);
      if (last === undefined) return;
      left.push(last.filter(counts));
      summing = summing.then(sumUp);
    },
    async all() {
      for (let awaited: Promise<void> | null = null; awaited !== summing;) {
        awaited = summing;
        await awaited;
      }
      return [dead, ...left, ...latest.values()];
    },
  };
}

/** Gauges say how things are, and with a dead worker they are no more. */
const counts = ({ type }: MetricsJson[number]): boolean =>
  // QUIRK: in JSON the type is its name; prom-client's types say it is a number.
  (type as unknown as string) !== "gauge";

async function summed(parts: readonly MetricsJson[]): Promise<MetricsJson> {
  return await AggregatorRegistry.aggregate(filled(parts)).getMetricsAsJSON();
}

/** One page in Prometheus' text format. */
export function page(parts: readonly MetricsJson[]): Promise<string> {
  return AggregatorRegistry.aggregate(filled(parts)).metrics();
}

/** QUIRK: prom-client takes an empty list for a metric of its own. */
const filled = (parts: readonly MetricsJson[]): MetricObjectWithValues<MetricValue<string>>[][] =>
  parts.filter((part) => part.length > 0).map((part) => [...part]);
