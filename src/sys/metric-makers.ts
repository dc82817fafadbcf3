// Makers of metrics in one registry, with our prefix and our buckets. Used where metrics are declared.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export interface Makers {
  readonly counter: <L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
  ) => Counter<L>;
  /** `aggregator`: what the value of several workers is. Default: their sum. */
  readonly gauge: <L extends string>(
    name: string,
    help: string,
    aggregator?: "sum" | "max" | "min",
    labels?: readonly L[],
  ) => Gauge<L>;
  /** Of seconds. */
  readonly histogram: <L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
  ) => Histogram<L>;
}

const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 240,
];

export function makers(registry: Registry): Makers {
  const registers = [registry];
  return {
    counter: (name, help, labelNames = []) =>
      new Counter({ name: `postern_${name}`, help, labelNames, registers }),
    gauge: (name, help, aggregator = "sum", labelNames = []) =>
      new Gauge({ name: `postern_${name}`, help, labelNames, aggregator, registers }),
    histogram: (name, help, labelNames = []) =>
      new Histogram({ name: `postern_${name}`, help, labelNames, buckets: SECONDS, registers }),
  };
}
