// The workers of a supervisor: forked, started again when they die (with a growing delay), replaced while mail flows (new ones are
// ready before old ones stop), watched for their memory, told new rules, asked for metrics, stopped gracefully. Sockets are the
// primary's (node:cluster, SCHED_NONE): no connection is lost when a worker goes.
import cluster, { type Worker } from "node:cluster";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import type { FromWorker, MetricsJson, ToWorker } from "./process-messages.ts";
import type { LiveRules } from "./rules-live.ts";
import { setSocketOwner, SocketMask } from "./socket-owner.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { compileCacheVariable } from "./sys/thread-environment.ts";
import { residentOf } from "./sys/resident.ts";
import { tally } from "./tally.ts";

const RESTART_FIRST_MS = 200;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long starts the back-off anew. */
const STEADY_MS = 60_000;
/** A worker that is not ready by then never will be. */
const START_MS = 60_000;
const MEMORY_EVERY_MS = 2000;
/** What a worker that is killed has counted since its last sample is lost. */
const SAMPLE_EVERY_MS = 10_000;
/** A worker younger than this is not replaced for its memory: with a ceiling that is too low nothing else would happen. */
const MEMORY_AGE_MS = 10_000;
/** How long a session may begin its first transaction when new workers take the connections. */
const FIRST_MS = 10_000;
const ANSWER_MS = 2000;

interface Hand {
  readonly worker: Worker;
  readonly since: number;
  stage: "starting" | "ready" | "leaving";
  /** Why it ends, when it does. */
  reason: "crashed" | "renewed" | "outgrown" | "killed";
  /** Called once: it is ready, or it cannot be. */
  settle(error: Error | null): void;
}

/** The workers. */
export class Crew {
  private readonly hands = new Map<Worker, Hand>();
  private readonly tally = tally<Worker>();
  private readonly asked = new Map<number, { worker: Worker; done: () => void }>();
  private readonly mask = new SocketMask();
  private readonly rules: Pick<LiveRules, "source" | "spam">;
  private readonly log: Log;
  private readonly meters: Metrics;
  private readonly timers: NodeJS.Timeout[] = [];
  private config: Config;
  private stopping = false;
  private backOffMs = RESTART_FIRST_MS;
  private ids = 0;
  private announced = "";
  private refilling: NodeJS.Timeout | null = null;
  /** The end of all hiring that was asked for: one after the other. */
  private hiring: Promise<unknown> = Promise.resolve();

  constructor(
    config: Config,
    log: Log,
    rules: Pick<LiveRules, "source" | "spam">,
    meters: Metrics,
  ) {
    this.config = config;
    this.log = log;
    this.rules = rules;
    this.meters = meters;
  }

  /** Resolves when all workers are ready; rejects when one cannot be, and then none is left. */
  async start(): Promise<void> {
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ args: ["worker"] });
    cluster.on("listening", (_worker, address) => this.ownSocket(address));
    try {
      await Promise.all(Array.from({ length: this.config.server.workers }, () => this.hire()));
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.timers.push(
      setInterval(() => this.watchMemory(), MEMORY_EVERY_MS),
      setInterval(() => void this.sample(), SAMPLE_EVERY_MS),
    );
  }

  /**
   * Starts new workers with this configuration, and when all are ready tells the old ones to stop. Rejects when a new one cannot
   * start: the old ones go on as if nothing had been.
   */
  renew(config: Config): Promise<void> {
    return this.inTurn(async () => {
      const before = this.config;
      const old = this.active();
      const fresh: Hand[] = [];
      this.config = config;
      try {
        while (fresh.length < config.server.workers) fresh.push(await this.hire());
      } catch (error) {
        this.config = before;
        for (const hand of fresh) this.dismiss(hand, "renewed");
        throw error;
      }
      for (const hand of old) this.dismiss(hand, "renewed");
    });
  }

  tell(message: ToWorker): void {
    for (const worker of this.hands.keys()) this.send(worker, message);
  }

  notReady(): string | null {
    if (this.stopping) return "stopping";
    return this.active().some(({ stage }) => stage === "ready") ? null : "no worker is ready";
  }

  /** Counters of all workers, the dead ones included. Of a worker that does not answer the last values known. */
  async metrics(): Promise<MetricsJson[]> {
    await this.sample();
    return this.tally.all();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
    if (this.refilling !== null) clearTimeout(this.refilling);
    const graceMs = this.config.limits.stop_deadline;
    this.tell({ kind: "stop", graceMs, firstMs: 0 });
    const deadline = Date.now() + graceMs + 5000;
    while (this.hands.size > 0 && Date.now() < deadline)
      await new Promise((r) => setTimeout(r, 20));
    for (const worker of this.hands.keys()) worker.process.kill("SIGKILL");
  }

  private active(): Hand[] {
    return [...this.hands.values()].filter(({ stage }) => stage !== "leaving");
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.hiring.then(work);
    this.hiring = turn.catch(() => undefined);
    return turn;
  }

  /** One more worker; resolves when it is ready. */
  private hire(): Promise<Hand> {
    if (this.stopping) return Promise.reject(new Error("the server stops"));
    return this.mask.during(
      () =>
        new Promise((resolve, reject) => {
          cluster.setupPrimary({ execArgv: optionsOf(this.config) });
          const worker = this.mask.without(() => cluster.fork(environment()));
          const late = setTimeout(() => worker.process.kill("SIGKILL"), START_MS);
          const hand: Hand = {
            worker,
            since: Date.now(),
            stage: "starting",
            reason: "crashed",
            settle: (error) => {
              clearTimeout(late);
              if (error === null) resolve(hand);
              else reject(error);
            },
          };
          this.hands.set(worker, hand);
          worker.on("message", (message: FromWorker) => this.heard(hand, message));
          worker.on("exit", (code, signal) => this.lost(hand, signal ?? `exit ${code ?? "?"}`));
          // Comes after the last message, whichever way it ended.
          worker.on("disconnect", () => this.tally.gone(worker));
        }),
    );
  }

  private heard(hand: Hand, message: FromWorker): void {
    switch (message.kind) {
      case "hello":
        this.send(hand.worker, {
          kind: "start",
          config: this.config,
          rules: this.rules.source(),
          spam: this.rules.spam(),
        });
        break;
      case "ready":
        if (hand.stage === "starting") hand.stage = "ready";
        this.announce(message.listening, message.skipped);
        hand.settle(null);
        break;
      case "metrics":
        this.tally.sample(hand.worker, message.metrics);
        this.asked.get(message.id)?.done();
        break;
      case "failed":
        hand.stage = "leaving";
        hand.settle(
          message.exitCode === 2 ? new ConfigError(message.text) : new Error(message.text),
        );
        hand.worker.process.kill("SIGKILL");
        break;
      case "stopped":
        this.tally.sample(hand.worker, message.metrics);
        break;
      default:
        message satisfies never;
    }
  }

  private announce(listening: readonly string[], skipped: readonly string[]): void {
    const all = JSON.stringify([listening, skipped]);
    if (this.announced === all) return;
    this.announced = all;
    for (const line of listening) this.log.info(`listening on ${line}`);
    for (const line of skipped) this.log.warn(`not listening on ${line}`);
  }

  private lost(hand: Hand, how: string): void {
    const { worker, stage, reason } = hand;
    this.hands.delete(worker);
    for (const { worker: asked, done } of this.asked.values()) if (asked === worker) done();
    const name = `worker ${worker.process.pid ?? "?"}`;
    hand.settle(new Error(`${name} ended before it was ready (${how})`));
    if (this.stopping) return;
    this.meters.workerEnds.inc({ reason });
    if (stage === "leaving") this.log.info(`${name} ended`);
    if (stage !== "ready") return;
    if (Date.now() - hand.since > STEADY_MS) this.backOffMs = RESTART_FIRST_MS;
    this.log.error(
      `${name} ended (${how}): what it had in flight was not acknowledged and stays with the MTA; a new one starts in ${this.backOffMs} ms`,
    );
    this.refillLater();
  }

  private refillLater(): void {
    if (this.stopping || this.refilling !== null) return;
    this.refilling = setTimeout(() => {
      this.refilling = null;
      void this.inTurn(() => this.refill());
    }, this.backOffMs);
    this.backOffMs = Math.min(RESTART_MAX_MS, this.backOffMs * 2);
  }

  /** Starts what is missing; tries again later when that fails. */
  private async refill(): Promise<void> {
    const missing = (): number => this.config.server.workers - this.active().length;
    try {
      while (!this.stopping && missing() > 0) await this.hire();
    } catch (error) {
      if (this.stopping) return;
      this.log.error(
        `a worker cannot start: ${(error as Error).message}; trying again in ${this.backOffMs} ms`,
      );
      this.refillLater();
    }
  }

  /** Lets a worker finish what it has; others take the new connections. */
  private dismiss(hand: Hand, reason: Hand["reason"]): void {
    if (hand.stage === "leaving") return;
    hand.stage = "leaving";
    hand.reason = reason;
    const { limits } = this.config;
    const graceMs = Math.max(
      limits.stop_deadline,
      limits.budget_after_queue,
      limits.budget_before_queue,
    );
    this.send(hand.worker, { kind: "stop", graceMs, firstMs: FIRST_MS });
    const last = setTimeout(() => hand.worker.process.kill("SIGKILL"), graceMs + 5000);
    hand.worker.on("exit", () => clearTimeout(last));
  }

  private watchMemory(): void {
    const ceiling = this.config.server.worker_memory;
    let largest = 0;
    for (const hand of this.hands.values()) {
      const resident = residentOf(hand.worker.process.pid ?? 0) ?? 0;
      largest = Math.max(largest, resident);
      if (resident <= ceiling || hand.reason === "killed") continue;
      const what = `worker ${hand.worker.process.pid ?? "?"} takes ${resident} octets of memory, above`;
      if (resident > 2 * ceiling) {
        this.log.error(`${what} twice [server] worker_memory: it is killed`);
        hand.reason = "killed";
        hand.worker.process.kill("SIGKILL");
      } else if (hand.stage === "ready" && Date.now() - hand.since > MEMORY_AGE_MS) {
        if (hand.reason === "outgrown") continue;
        hand.reason = "outgrown";
        this.log.warn(`${what} [server] worker_memory: a new one takes its place`);
        void this.inTurn(() => this.replace(hand));
      }
    }
    this.meters.workerMemory.set(largest);
  }

  private async replace(hand: Hand): Promise<void> {
    if (hand.stage !== "ready" || !this.hands.has(hand.worker)) return;
    try {
      await this.hire();
      this.dismiss(hand, "outgrown");
    } catch (error) {
      hand.reason = "crashed"; // the next look tries again
      if (!this.stopping)
        this.log.error(`no worker takes its place: ${(error as Error).message}; trying again`);
    }
  }

  /** Asks every worker what it has counted, and waits for all answers. */
  private async sample(): Promise<void> {
    await Promise.all(
      [...this.hands.keys()].map(
        (worker) =>
          new Promise<void>((resolve) => {
            const id = this.ids++;
            const done = (): void => {
              clearTimeout(timer);
              this.asked.delete(id);
              resolve();
            };
            const timer = setTimeout(done, ANSWER_MS);
            this.asked.set(id, { worker, done });
            this.send(worker, { kind: "metrics", id });
          }),
      ),
    );
  }

  private send(worker: Worker, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message, undefined, () => {});
  }

  /** Gives a unix socket its mode and group. */
  private ownSocket(address: { address?: string; port?: number }): void {
    const path = address.address;
    const listener = this.config.listener.find((l) => l.listen === `unix:${path ?? ""}`);
    if (listener === undefined || path === undefined) return;
    setSocketOwner(path, listener);
  }
}

/** Node's own. Young garbage is collected on the worker's own thread: helpers beside it cost more than they save on busy cores. */
function optionsOf({ server }: Config): string[] {
  const semiSpace = server.save_memory ? 2 : 8;
  return [
    `--max-semi-space-size=${semiSpace}`,
    "--no-parallel-scavenge",
    "--disable-warning=ExperimentalWarning",
    ...(server.save_memory ? ["--memory-saver-mode"] : []),
  ];
}

/**
 * glibc keeps eight arenas a core for threads that hardly allocate; what lies idle in them looks like a leak. With the cache from its
 * first line on, a worker never loads what reads TypeScript.
 */
function environment(): NodeJS.ProcessEnv {
  return {
    UV_THREADPOOL_SIZE: "16",
    MALLOC_ARENA_MAX: process.env["MALLOC_ARENA_MAX"] ?? "2",
    ...compileCacheVariable(),
  };
}
