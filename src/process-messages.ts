// What supervisor and workers say to each other over node:cluster's channel: plain data, checked by `kind`.
import type { MetricObjectWithValues, MetricValue } from "prom-client";
import type { Config } from "./config.ts";
import type { EngineData } from "./spamrules/engine-job.ts";

/** Rule files as [path, text] pairs: a Map does not travel. */
export type SourcePairs = readonly (readonly [string, string])[];

export type ToWorker =
  | {
      readonly kind: "start";
      readonly config: Config;
      readonly rules: SourcePairs;
      readonly spam: EngineData | null;
    }
  | { readonly kind: "rules"; readonly rules: SourcePairs; readonly spam: EngineData | null }
  | { readonly kind: "metrics"; readonly id: number }
  /** Finish what is in flight within `graceMs`; sessions without a transaction may begin one within `firstMs`. */
  | { readonly kind: "stop"; readonly graceMs: number; readonly firstMs: number };

export type MetricsJson = readonly MetricObjectWithValues<MetricValue<string>>[];

export type FromWorker =
  | { readonly kind: "hello" }
  | {
      readonly kind: "ready";
      readonly listening: readonly string[];
      readonly skipped: readonly string[];
    }
  | { readonly kind: "metrics"; readonly id: number; readonly metrics: MetricsJson }
  /** A start that cannot succeed: the text says what and why; exit code 1 or 2 for the whole server. */
  | { readonly kind: "failed"; readonly text: string; readonly exitCode: 1 | 2 }
  /** Last words before an exit that was asked for. */
  | { readonly kind: "stopped"; readonly metrics: MetricsJson };
