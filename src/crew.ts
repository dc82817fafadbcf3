// The workers of a supervisor: forked, started again when they die (with a growing delay), told new rules, asked for metrics,
// stopped gracefully. Sockets are the primary's (node:cluster, SCHED_NONE): no connection is lost when a worker goes.
import cluster, { type Worker } from "node:cluster";
import { chmodSync, chownSync } from "node:fs";
import { ConfigError, type Config } from "./config.ts";
import type { FromWorker, MetricsJson, ToWorker } from "./process-messages.ts";
import type { LiveRules } from "./rules-live.ts";
import { groupId } from "./sys/group.ts";
import type { Log } from "./sys/log.ts";

const RESTART_FIRST_MS = 200;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long starts the back-off anew. */
const STEADY_MS = 60_000;

/** The workers. */
export class Crew {
  private readonly workers = new Map<Worker, { since: number; ready: boolean }>();
  private readonly retired: MetricsJson[] = [];
  private readonly asked = new Map<number, (metrics: MetricsJson) => void>();
  private readonly config: Config;
  private readonly log: Log;
  private readonly rules: LiveRules;
  /** The umask that this process was started with. */
  private mask = 0o077;
  private stopping = false;
  private backOffMs = RESTART_FIRST_MS;
  private ids = 0;
  private announced = false;
  private onReady: (() => void) | null = null;
  private onFailed: ((error: Error) => void) | null = null;

  constructor(config: Config, log: Log, rules: LiveRules) {
    this.config = config;
    this.log = log;
    this.rules = rules;
  }

  async start(): Promise<void> {
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({
      // Young garbage is collected on the worker's own thread: helpers beside it cost more than they save on busy cores.
      execArgv: [
        "--max-semi-space-size=8",
        "--no-parallel-scavenge",
        "--disable-warning=ExperimentalWarning",
      ],
      args: ["worker"],
    });
    cluster.on("listening", (_worker, address) => this.ownSocket(address));
    const ready = new Promise<void>((resolve, reject) => {
      this.onReady = resolve;
      this.onFailed = reject;
    });
    // A unix socket must never be open to more people than its mode says, not even before it is set.
    this.mask = process.umask(0o177);
    try {
      for (let i = 0; i < this.config.server.workers; i++) this.fork();
      await ready;
    } finally {
      process.umask(this.mask);
    }
  }

  private fork(): void {
    // A child keeps the umask of this moment: with the one for sockets it could not enter a directory that it made.
    const ours = process.umask(this.mask);
    const worker = cluster.fork({ UV_THREADPOOL_SIZE: "16" });
    process.umask(ours);
    this.workers.set(worker, { since: Date.now(), ready: false });
    worker.on("message", (message: FromWorker) => this.heard(worker, message));
    worker.on("exit", (code, signal) => this.lost(worker, code, signal));
  }

  private heard(worker: Worker, message: FromWorker): void {
    const state = this.workers.get(worker);
    switch (message.kind) {
      case "hello":
        this.send(worker, { kind: "start", config: this.config, rules: this.rules.source() });
        break;
      case "ready":
        if (state !== undefined) state.ready = true;
        this.announce(message.listening, message.skipped);
        if ([...this.workers.values()].every((w) => w.ready)) this.onReady?.();
        break;
      case "metrics":
        this.asked.get(message.id)?.(message.metrics);
        break;
      case "failed":
        this.stopping = true;
        this.onFailed?.(
          message.exitCode === 2 ? new ConfigError(message.text) : new Error(message.text),
        );
        void this.stop();
        break;
      case "stopped":
        this.retired.push(message.metrics);
        break;
      default:
        message satisfies never;
    }
  }

  private announce(listening: readonly string[], skipped: readonly string[]): void {
    if (this.announced) return;
    this.announced = true;
    for (const line of listening) this.log.info(`listening on ${line}`);
    for (const line of skipped) this.log.warn(`not listening on ${line}`);
  }

  private lost(worker: Worker, code: number | null, signal: string | null): void {
    const state = this.workers.get(worker);
    this.workers.delete(worker);
    if (this.stopping) return;
    if (state !== undefined && Date.now() - state.since > STEADY_MS)
      this.backOffMs = RESTART_FIRST_MS;
    this.log.error(
      `worker ${worker.process.pid ?? "?"} ended (${signal ?? `exit ${code ?? "?"}`}): what it had in flight was not acknowledged and stays with the MTA; a new one starts in ${this.backOffMs} ms`,
    );
    setTimeout(() => {
      if (!this.stopping) this.fork();
    }, this.backOffMs);
    this.backOffMs = Math.min(RESTART_MAX_MS, this.backOffMs * 2);
  }

  private send(worker: Worker, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message, undefined, () => {});
  }

  tell(message: ToWorker): void {
    for (const worker of this.workers.keys()) this.send(worker, message);
  }

  notReady(): string | null {
    if (this.stopping) return "stopping";
    return [...this.workers.values()].some((worker) => worker.ready) ? null : "no worker is ready";
  }

  /** Counters of all workers, the retired ones included. A worker that does not answer within 2 s is left out. */
  async metrics(): Promise<MetricsJson[]> {
    const live = [...this.workers].map(
      ([worker]) =>
        new Promise<MetricsJson>((resolve) => {
          const id = this.ids++;
          const done = (json: MetricsJson): void => {
            clearTimeout(timer);
            this.asked.delete(id);
            resolve(json);
          };
          const timer = setTimeout(done, 2000, []);
          this.asked.set(id, done);
          this.send(worker, { kind: "metrics", id });
        }),
    );
    return [...(await Promise.all(live)), ...this.retired];
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.tell({ kind: "stop" });
    const deadline = Date.now() + this.config.limits.stop_deadline + 5000;
    while (this.workers.size > 0 && Date.now() < deadline)
      await new Promise((r) => setTimeout(r, 20));
    for (const worker of this.workers.keys()) worker.process.kill("SIGKILL");
  }

  /** Gives a unix socket its mode and group. */
  private ownSocket(address: { address?: string; port?: number }): void {
    const path = address.address;
    const listener = this.config.listener.find((l) => l.listen === `unix:${path ?? ""}`);
    if (listener === undefined || path === undefined) return;
    setSocketOwner(path, listener);
  }
}

/** Mode and group of a unix socket as its listener says. Throws ConfigError for a group that does not exist. */
export function setSocketOwner(path: string, listener: Config["listener"][number]): void {
  if (listener.socket_group !== undefined) {
    const gid = groupId(listener.socket_group);
    if (gid === null)
      throw new ConfigError(`listener.socket_group: there is no group "${listener.socket_group}"`);
    chownSync(path, process.getuid?.() ?? 0, gid);
  }
  chmodSync(path, Number.parseInt(listener.socket_mode, 8));
}
