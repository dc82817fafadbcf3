// The supervisor: holds the lock, the sockets (node:cluster, SCHED_NONE), HTTP, metrics and the rule files; starts workers, starts
// them again when they die, hands them new rules, and stops them gracefully. Judges no mail itself.
import { existsSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";
import type { Config } from "./config.ts";
import { Crew, setSocketOwner } from "./crew.ts";
import { housekeeping } from "./housekeeping.ts";
import { hostOf, portOf } from "./listen-address.ts";
import { networks } from "./mail/ip.ts";
import type { MetricsJson } from "./process-messages.ts";
import { liveRules, type LiveRules } from "./rules-live.ts";
import { DNSXL_VERBS } from "./ruleset/dnsxl-lines.ts";
import { readingLines } from "./ruleset/source.ts";
import { httpServer } from "./servers/http.ts";
import type { Log } from "./sys/log.ts";
import { metrics, watchEventLoop, type Metrics } from "./sys/metrics.ts";
import { atOnce } from "./sys/turns.ts";
import { instanceLock } from "./state/lock.ts";
import { prepareStore } from "./state/sqlite.ts";

export interface Supervisor {
  /** Finishes what is in flight; resolves when all workers are gone. */
  stop(): Promise<void>;
  /** Reads the rules again now (SIGHUP). */
  reload(): Promise<void>;
}

/** Starts everything; resolves when mail is taken on every listener. Throws ConfigError, or Error with what to do. */
export async function supervise(config: Config, log: Log): Promise<Supervisor> {
  for (const dir of [
    config.server.state_dir,
    join(config.server.state_dir, "spool"),
    config.quarantine.dir,
  ]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
  const lock = instanceLock(join(config.server.state_dir, "lock"));
  if (lock === null) {
    throw new Error(
      `another postern runs on ${config.server.state_dir} (its lock is held): stop it first, or give this one its own [server] state_dir`,
    );
  }
  prepareStore(join(config.server.state_dir, "state.db"));
  const loop = watchEventLoop();
  const own = metrics(loop);
  const rules = await liveRules(config, log, own);
  const lists = atOnce(readingLines(new Map(rules.source()), "dnsxl.rules", DNSXL_VERBS)).lines;
  if (lists.length === 0 || config.dns.servers === "off")
    log.info("no DNS lists are asked: dnsxl.rules names none, or [dns] is off");
  removeStaleSockets(config);
  const keeper = await housekeeping(config, log, own);
  const crew = new Crew(config, log, rules);
  await crew.start();
  const http = await listenHttp(config, log, crew, own, rules);
  loop.reset();
  await rules.watch((source) => crew.tell({ kind: "rules", rules: source }));
  return {
    reload: () => rules.reload(),
    async stop() {
      rules.close();
      keeper.stop();
      await crew.stop();
      for (const server of http) server.close();
      removeStaleSockets(config);
      lock.release();
    },
  };
}

/** We hold the lock: a socket file at a path of ours is left over from a process that died. Other files are not touched. */
function removeStaleSockets(config: Config): void {
  for (const { listen } of config.listener) {
    if (!listen.startsWith("unix:")) continue;
    const path = listen.slice(5);
    if (existsSync(path) && lstatSync(path).isSocket()) unlinkSync(path);
  }
}

async function listenHttp(
  config: Config,
  log: Log,
  crew: Crew,
  own: Metrics,
  rules: LiveRules,
): Promise<Server[]> {
  const servers: Server[] = [];
  for (const listener of config.listener) {
    // Release links are the workers': they have the store and the way out.
    if (listener.protocol !== "http" || listener.role === "links") continue;
    const allowed = networks(listener.allow ?? ["127.0.0.0/8", "::1"]);
    const server = httpServer({
      allows: (address) => address === "" || allowed.has(address),
      metrics: async () => page([...(await crew.metrics()), await own.registry.getMetricsAsJSON()]),
      notReady: () => crew.notReady(),
      remark: () => rules.trouble(),
    });
    if (await listens(server, listener, config, log)) servers.push(server);
  }
  return servers;
}

async function listens(
  server: Server,
  listener: Config["listener"][number],
  config: Config,
  log: Log,
): Promise<boolean> {
  const { listen } = listener;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      if (listen.startsWith("unix:")) server.listen(listen.slice(5), resolve);
      else server.listen(portOf(listen), hostOf(listen), resolve);
    });
    if (listen.startsWith("unix:")) setSocketOwner(listen.slice(5), listener);
    log.info(`listening on ${listen} (http)`);
    return true;
  } catch (error) {
    if (config.file !== null)
      throw new Error(`cannot listen on ${listen}: ${(error as Error).message}`, { cause: error });
    log.warn(`not listening on ${listen} (http): ${(error as Error).message}`);
    return false;
  }
}

async function page(parts: readonly MetricsJson[]): Promise<string> {
  const filled = parts.filter((part) => part.length > 0) as MetricObjectWithValues<
    MetricValue<string>
  >[][];
  return AggregatorRegistry.aggregate(filled).metrics();
}
