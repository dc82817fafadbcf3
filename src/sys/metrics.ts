// Every metric, declared in one place with its help text and labels (prom-client). Label values come from closed sets; an
// address never is one. README's table is generated from here.
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { monitorEventLoopDelay } from "node:perf_hooks";

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>;

export interface Metrics {
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
  readonly dnsQuestions: Counter<"status">;
  readonly dnsxl: Counter<"zone" | "result">;
  readonly dnsxlHealthy: Gauge<"zone">;
  readonly policy: Counter<"state" | "action">;
  readonly policySeconds: Histogram;
  readonly greylist: Counter<"result">;
  readonly virusScans: Counter<"result">;
  readonly clamdAnswers: Counter<"result">;
  readonly clamdHealthy: Gauge<"endpoint">;
  readonly virusDatabaseAge: Gauge<"endpoint">;
  readonly spamScorings: Counter<"result">;
  readonly spamdHealthy: Gauge<"endpoint">;
  readonly spamEngine: Counter<"result">;
  readonly spamCompared: Counter<"result">;
  readonly spamRules: Gauge;
  readonly spamdAnswers: Counter<"method" | "result">;
  readonly rulesLoad: Gauge;
  readonly rulesReloads: Counter<"result">;
  readonly spoolBytes: Gauge;
  readonly threadJobs: Counter<"pool" | "result">;
  readonly threadSeconds: Histogram<"pool">;
  readonly threadWaiting: Gauge<"pool">;
  readonly eventLoopDelay: Gauge<"percentile">;
}

const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 240,
];

/** Makes all metrics in a registry of their own. `eventLoop` is read at each scrape; null = not watched. */
export function metrics(eventLoop: IntervalHistogram | null = null): Metrics {
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
      "Messages of training folders, by what became of them: learned, relearned (taught otherwise before), known, failed (could not be read), capped (a mailbox had taught enough that day)",
      ["result"],
    ),
    ...policyMetrics(make),
    ...dnsMetrics(make),
    ...virusMetrics(make),
    ...spamMetrics(make),
    ...rulesMetrics(make),
    spoolBytes: gauge("spool_bytes", "Octets of messages held in memory"),
    ...threadMetrics(make),
    eventLoopDelay: delayGauge(registry, eventLoop),
  };
}

type Makers = ReturnType<typeof makers>;

/** Makers of metrics in one registry, with our prefix. */
function makers(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `postern_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(
    name: string,
    help: string,
    aggregator: "sum" | "max" | "min" = "sum",
    labelNames: readonly L[] = [],
  ) => new Gauge({ name: `postern_${name}`, help, labelNames, aggregator, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram({ name: `postern_${name}`, help, labelNames, buckets: SECONDS, registers });
  return { counter, gauge, histogram };
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

function policyMetrics({
  counter,
  histogram,
}: Makers): Pick<Metrics, "policy" | "policySeconds" | "greylist"> {
  return {
    policy: counter("policy_total", "Answers of the policy service, by protocol state and action", [
      "state",
      "action",
    ]),
    greylist: counter(
      "greylist_total",
      "Greylist decisions: new and early wait; accepted, passed, client and person pass; unsuspected are not asked about",
      ["result"],
    ),
    policySeconds: histogram("policy_seconds", "From a policy request to its answer"),
  };
}

function dnsMetrics({
  counter,
  gauge,
}: Makers): Pick<Metrics, "dnsQuestions" | "dnsxl" | "dnsxlHealthy"> {
  return {
    dnsQuestions: counter(
      "dns_questions_total",
      "DNS questions that the cache could not answer, by outcome",
      ["status"],
    ),
    dnsxl: counter(
      "dnsxl_total",
      "Questions to DNS lists, by result (listed, unlisted, uncounted: a reply that no line counts, failed, skipped)",
      ["zone", "result"],
    ),
    dnsxlHealthy: gauge(
      "dnsxl_zone_healthy",
      "1 while a DNS list answers as RFC 5782 wants, 0 while it is not asked",
      "min",
      ["zone"],
    ),
  };
}

function rulesMetrics({ counter, gauge }: Makers): Pick<Metrics, "rulesLoad" | "rulesReloads"> {
  return {
    rulesLoad: gauge(
      "rules_load_success",
      "1 while the running rules are those on disk, 0 while the last good ones are kept",
      "max",
    ),
    rulesReloads: counter("rules_reloads_total", "Loads of the rule files", ["result"]),
  };
}

function virusMetrics({
  counter,
  gauge,
}: Makers): Pick<Metrics, "virusScans" | "clamdAnswers" | "clamdHealthy" | "virusDatabaseAge"> {
  return {
    virusScans: counter(
      "virus_scans_total",
      "Scans of messages and decoded parts, by result (clean, infected, error)",
      ["result"],
    ),
    clamdAnswers: counter(
      "clamd_answers_total",
      "Streams answered by our own clamd listeners, by result (clean, infected, error)",
      ["result"],
    ),
    clamdHealthy: gauge(
      "clamd_healthy",
      "1 while a clamd answers, 0 while it is left alone until it answers PING",
      "min",
      ["endpoint"],
    ),
    virusDatabaseAge: gauge(
      "virus_database_age_seconds",
      "Age of the daily virus database that a clamd names; absent when it names none",
      "max",
      ["endpoint"],
    ),
  };
}

function spamMetrics({
  counter,
  gauge,
}: Makers): Pick<
  Metrics,
  "spamScorings" | "spamdHealthy" | "spamEngine" | "spamCompared" | "spamRules" | "spamdAnswers"
> {
  return {
    spamEngine: counter(
      "spam_engine_total",
      "Messages scored by postern's own engine, by result (scored; partial: not all rules ran in time; failed)",
      ["result"],
    ),
    spamCompared: counter(
      "spam_compared_total",
      "Messages that two scorers were given ([spam] engine = both), by result (same; rules: other rules hit; points: the same rules, other points; unknown: one had no answer)",
      ["result"],
    ),
    spamRules: gauge(
      "spam_rules",
      "Rules of SpamAssassin's form that postern's own engine has compiled",
      "max",
    ),
    spamdAnswers: counter(
      "spamd_answers_total",
      "Requests answered by our own spamd listeners, by command and result (spam, ham, failed)",
      ["method", "result"],
    ),
    spamScorings: counter(
      "spam_scorings_total",
      "Messages given to spamd, by result (scored; unreachable; silent: no answer in time; broken: closed or garbage; refused: an error of spamd's; busy: no place; given-up)",
      ["result"],
    ),
    spamdHealthy: gauge(
      "spamd_healthy",
      "1 while a spamd is asked, 0 while it is left alone until it answers PING",
      "min",
      ["endpoint"],
    ),
  };
}

/** One look every 2 ms: with fewer, a short burst has too few samples for its p99.9 to mean anything. */
const SAMPLE_MS = 2;

/** Watches how late the event loop runs, in the process that calls it. */
export function watchEventLoop(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  histogram.enable();
  return histogram;
}

function delayGauge(registry: Registry, eventLoop: IntervalHistogram | null): Gauge<"percentile"> {
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
