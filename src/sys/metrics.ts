// Every metric, declared with its help text and labels (prom-client); those of checks in check-metrics.ts. Label values come from closed sets; an
// address never is one. README's table is generated from here.
import { Registry, type Counter, type Gauge, type Histogram } from "prom-client";
import { checkMetrics, type CheckMetrics } from "./check-metrics.ts";
import { delayGauge, type EventLoop } from "./event-loop.ts";
import { makers, type Makers } from "./metric-makers.ts";

export interface Metrics extends CheckMetrics {
  readonly registry: Registry;
  readonly messages: Counter<"direction" | "category" | "disposition">;
  readonly messageSeconds: Histogram;
  readonly checkSeconds: Histogram<"check">;
  readonly checkErrors: Counter<"check" | "reason">;
  readonly inFlight: Gauge;
  readonly inFlightBytes: Gauge;
  readonly admissionWaiting: Gauge;
  readonly admissions: Counter<"result">;
  readonly stateFree: Gauge;
  readonly workerMemory: Gauge;
  readonly workerEnds: Counter<"reason">;
  readonly configLoad: Gauge;
  readonly configReloads: Counter<"result">;
  readonly sessions: Counter<"listener" | "result">;
  readonly nextHop: Counter<"result">;
  readonly deliveries: Counter<"result">;
  readonly quarantined: Counter<"category">;
  readonly quarantineMessages: Gauge;
  readonly quarantineBytes: Gauge;
  readonly quarantineMaxBytes: Gauge;
  readonly dsn: Counter<"result">;
  readonly notices: Counter<"kind" | "result">;
  readonly linkRequests: Counter<"result">;
  readonly handedOn: Counter;
  readonly history: Counter<"result">;
  readonly bayesLessons: Counter<"result">;
  readonly spoolBytes: Gauge;
  readonly threadJobs: Counter<"pool" | "result">;
  readonly threadSeconds: Histogram<"pool">;
  readonly threadWaiting: Gauge<"pool">;
  readonly eventLoopDelay: Gauge<"percentile">;
}

/** Makes all metrics in a registry of their own. `eventLoop` is read at each scrape; null = not watched. */
export function metrics(eventLoop: EventLoop | null = null): Metrics {
  const registry = new Registry();
  const make = makers(registry);
  const { counter, gauge, histogram } = make;
  return {
    registry,
    messages: counter(
      "messages_total",
      "Messages judged, by direction, deciding category and disposition, once per cluster of recipients",
      ["direction", "category", "disposition"],
    ),
    messageSeconds: histogram("message_seconds", "From the end of DATA to the reply"),
    checkSeconds: histogram("check_seconds", "Time of each check", ["check"]),
    checkErrors: counter("check_errors_total", "Checks that could not answer (deadline or error)", [
      "check",
      "reason",
    ]),
    ...admissionMetrics(make),
    ...workerMetrics(make),
    sessions: counter(
      "sessions_total",
      "Connections by listener and whether their peer is in allow (accepted, refused)",
      ["listener", "result"],
    ),
    nextHop: counter(
      "next_hop_total",
      "Transactions with next hops: on a new connection (connect), a used one (reuse), begun again (retry), without an answer (failure; unknown = after the final dot)",
      ["result"],
    ),
    deliveries: counter(
      "deliveries_total",
      "Recipients answered by our own delivery (ok, tempfail, reject)",
      ["result"],
    ),
    ...quarantineMetrics(make),
    ...reportMetrics(make),
    handedOn: counter(
      "handed_on_skips_total",
      "Recipients skipped at a retry because they already have the message",
    ),
    history: counter(
      "history_total",
      "Messages for the history, by whether they are in it (written) or could not be (dropped)",
      ["result"],
    ),
    bayesLessons: counter(
      "bayes_lessons_total",
      "Messages of training folders, by what became of them: learned, relearned (taught otherwise before), forgotten (moved back), known, failed (could not be read), capped (a mailbox had taught enough that day)",
      ["result"],
    ),
    ...checkMetrics(make),
    spoolBytes: gauge("spool_bytes", "Octets of messages held in memory"),
    ...threadMetrics(make),
    eventLoopDelay: delayGauge(registry, eventLoop),
  };
}

function reportMetrics({ counter }: Makers): Pick<Metrics, "dsn" | "linkRequests" | "notices"> {
  return {
    dsn: counter("dsn_total", "Non-delivery reports of our own (sent, suppressed, failed)", [
      "result",
    ]),
    linkRequests: counter("link_requests_total", "Requests to the release links, by HTTP status", [
      "result",
    ]),
    notices: counter(
      "notices_total",
      "Notices about stopped mail, and digests of held mail, by whom they are for (postmaster, recipient, digest) and result (sent, failed, limited, no_route, suppressed)",
      ["kind", "result"],
    ),
  };
}

function quarantineMetrics({
  counter,
  gauge,
}: Makers): Pick<
  Metrics,
  "quarantined" | "quarantineMessages" | "quarantineBytes" | "quarantineMaxBytes"
> {
  return {
    quarantined: counter("quarantined_total", "Messages put into quarantine", ["category"]),
    quarantineMessages: gauge("quarantine_messages", "Messages in quarantine", "max"),
    quarantineBytes: gauge("quarantine_bytes", "Octets of the quarantine", "max"),
    quarantineMaxBytes: gauge(
      "quarantine_max_bytes",
      "Bound of these octets: [quarantine] max_size",
      "max",
    ),
  };
}

function admissionMetrics({
  counter,
  gauge,
}: Makers): Pick<
  Metrics,
  "inFlight" | "inFlightBytes" | "admissionWaiting" | "admissions" | "stateFree"
> {
  return {
    inFlight: gauge("in_flight", "Messages between MAIL FROM and their reply"),
    inFlightBytes: gauge(
      "in_flight_bytes",
      "Octets of messages in flight, announced or come so far",
    ),
    admissionWaiting: gauge("admission_waiting", "Messages that wait at MAIL FROM for a place"),
    admissions: counter(
      "admissions_total",
      "Messages at MAIL FROM (at_once, waited), and what was put off with 4xx: no place came free (late), limits.min_free (disk), server.worker_memory (memory), limits.in_flight_bytes while it came (outgrown)",
      ["result"],
    ),
    stateFree: gauge("state_free_bytes", "Free octets on the disk of state_dir", "max"),
  };
}

function workerMetrics({
  counter,
  gauge,
}: Makers): Pick<Metrics, "workerMemory" | "workerEnds" | "configLoad" | "configReloads"> {
  return {
    workerMemory: gauge("worker_memory_bytes", "Resident memory of the largest worker", "max"),
    workerEnds: counter(
      "worker_ends_total",
      "Workers that ended: by themselves (crashed), for a reload or an upgrade (renewed), above server.worker_memory (outgrown), above twice that (killed)",
      ["reason"],
    ),
    configLoad: gauge(
      "config_load_success",
      "1 while the configuration in force is that on disk as of the last reload, 0 while the last good one is kept",
      "max",
    ),
    configReloads: counter(
      "config_reloads_total",
      "Reloads of a changed configuration file (ok, error)",
      ["result"],
    ),
  };
}

function threadMetrics({
  counter,
  gauge,
  histogram,
}: Makers): Pick<Metrics, "threadJobs" | "threadSeconds" | "threadWaiting"> {
  return {
    threadJobs: counter(
      "thread_jobs_total",
      "Jobs of the threads that look into archives, by how they ended: done, failed, late (killed at the deadline), crashed (memory), refused (no thread came free), aborted",
      ["pool", "result"],
    ),
    threadSeconds: histogram("thread_job_seconds", "From a job to its end, waiting included", [
      "pool",
    ]),
    threadWaiting: gauge("thread_jobs_waiting", "Jobs that wait for a thread", "sum", ["pool"]),
  };
}
