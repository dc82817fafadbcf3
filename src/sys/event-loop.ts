// How late the event loop runs: watched in each worker, read at each scrape. Used by metrics.ts.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type Registry } from "prom-client";

export type EventLoop = ReturnType<typeof monitorEventLoopDelay>;

/** One look every 2 ms: with fewer, a short burst has too few samples for its p99.9 to mean anything. */
const SAMPLE_MS = 2;

/** Watches how late the event loop runs, in the process that calls it. */
export function watchEventLoop(): EventLoop {
  const histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  histogram.enable();
  return histogram;
}

/** Seconds by percentile; without values when `eventLoop` is null. */
export function delayGauge(registry: Registry, eventLoop: EventLoop | null): Gauge<"percentile"> {
  return new Gauge({
    name: "postern_event_loop_delay_seconds",
    help: "How late the event loop ran since start (the 2 ms of the sampling taken off)",
    labelNames: ["percentile"],
    aggregator: "max",
    registers: [registry],
    collect() {
      if (eventLoop === null) return;
      const late = (ns: number): number => Math.max(0, ns / 1e9 - SAMPLE_MS / 1000);
      this.set({ percentile: "50" }, late(eventLoop.percentile(50)));
      this.set({ percentile: "99" }, late(eventLoop.percentile(99)));
      this.set({ percentile: "99.9" }, late(eventLoop.percentile(99.9)));
      this.set({ percentile: "100" }, late(eventLoop.max));
    },
  });
}
