// The supervisor: holds the lock, the sockets (node:cluster, SCHED_NONE), HTTP, metrics and the rule files; starts workers, starts
// them again when they die, hands them new rules, replaces them for a new configuration, and stops them gracefully. Judges no mail
// itself.
import { accessSync, constants, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { Crew } from "./crew.ts";
import { housekeeping } from "./housekeeping.ts";
import { HttpDoors, removeStaleSockets } from "./http-doors.ts";
import { reloading, type Reloading } from "./reloading.ts";
import { liveRules, type LiveRules } from "./rules-live.ts";
import { DNSXL_VERBS } from "./ruleset/dnsxl-lines.ts";
import { readingLines } from "./ruleset/source.ts";
import { prepareStore } from "./state/sqlite.ts";
import { instanceLock } from "./state/lock.ts";
import type { Log } from "./sys/log.ts";
import { watchEventLoop } from "./sys/event-loop.ts";
import { metrics, type Metrics } from "./sys/metrics.ts";
import { atOnce } from "./sys/turns.ts";
import { page } from "./tally.ts";
import { seamOnDisk } from "./upgrade.ts";

export interface Supervisor {
  /** Finishes what is in flight; resolves when all workers are gone. */
  stop(): Promise<void>;
  /** Reads configuration and rules again now (SIGHUP); new workers take over when the configuration has changed. */
  reload(): Promise<void>;
  /** Replaces the workers by those of the program that is on disk now (SIGUSR2). */
  upgrade(): Promise<void>;
}

/**
 * Starts everything; resolves when mail is taken on every listener. `load` reads the configuration again. Throws ConfigError, or
 * Error with what to do.
 */
export async function supervise(config: Config, load: () => Config, log: Log): Promise<Supervisor> {
  makeDirectories(config);
  const { state_dir } = config.server;
  const lock = naming(join(state_dir, "lock"), instanceLock);
  if (lock === null) {
    throw new Error(
      `another postern runs on ${state_dir} (its lock is held): stop it first, or give this one its own [server] state_dir`,
    );
  }
  const seam = seamOnDisk();
  naming(join(state_dir, "state.db"), prepareStore);
  const loop = watchEventLoop();
  const own = metrics(loop);
  const rules = await liveRules(config, log, own);
  const lists = atOnce(readingLines(new Map(rules.source()), "dnsxl.rules", DNSXL_VERBS)).lines;
  if (lists.length === 0 || config.dns.servers === "off")
    log.info("no DNS lists are asked: dnsxl.rules names none, or [dns] is off");
  removeStaleSockets(config);
  const keeper = await housekeeping(config, log, own);
  const crew = new Crew(config, log, rules, own);
  const changes = reloading({
    config,
    load,
    apply: (next, before) => takeOver(next, before, { rules, crew, doors, keeper }),
    log,
    metrics: own,
  });
  const doors = httpDoors(log, crew, own, () => changes.trouble() ?? rules.trouble());
  const all = supervisor({ rules, crew, doors, keeper, changes, lock, seam, log });
  try {
    await crew.start();
    await doors.use(config);
    loop.reset();
    await rules.watch((source) => crew.tell({ kind: "rules", rules: source, spam: rules.spam() }));
  } catch (error) {
    // Nothing must keep a process alive that takes no mail: the service manager starts it again.
    await all.stop();
    throw error;
  }
  return all;
}

interface Parts {
  readonly rules: LiveRules;
  readonly crew: Crew;
  readonly doors: HttpDoors;
  readonly keeper: Awaited<ReturnType<typeof housekeeping>>;
}

interface AllParts extends Parts {
  readonly changes: Reloading;
  readonly lock: { release(): void };
  readonly seam: string;
  readonly log: Log;
}

function supervisor({
  rules,
  crew,
  doors,
  keeper,
  changes,
  lock,
  seam,
  log,
}: AllParts): Supervisor {
  let stopping = false;
  let turn: Promise<void> = Promise.resolve();
  /** One after the other; what comes while we stop is nobody's concern any more. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    turn = turn.then(async () => {
      if (!stopping) await work();
    });
    return turn;
  };
  return {
    reload: () =>
      inTurn(async () => {
        await changes.look();
        await rules.reload();
      }),
    upgrade: () =>
      inTurn(async () => {
        try {
          if (seamOnDisk() !== seam)
            throw new Error(
              "the new program differs in its configuration or in what its processes say to each other",
            );
          await crew.renew(changes.current);
          log.info("new workers of the program on disk took over");
        } catch (error) {
          if (!stopping)
            log.error(
              `no upgrade: ${(error as Error).message}: the old workers go on; restart postern`,
            );
        }
      }),
    async stop() {
      stopping = true;
      rules.close();
      keeper.stop();
      await crew.stop();
      doors.close();
      removeStaleSockets(changes.current);
      lock.release();
    },
  };
}

/** Puts a changed configuration in force: rules, HTTP, workers; each has a way back until the last one is done. */
async function takeOver(next: Config, before: Config, parts: Parts): Promise<void> {
  const { rules, crew, doors, keeper } = parts;
  makeDirectories(next);
  removeStaleSockets(next, before);
  const back = await rules.use(next);
  try {
    await doors.use(next);
    await crew.renew(next);
  } catch (error) {
    await doors.use(before);
    await back();
    throw error;
  }
  keeper.use(next);
}

/** What SQLite says names no file. */
function naming<T>(file: string, use: (file: string) => T): T {
  try {
    return use(file);
  } catch (error) {
    throw new Error(`${file} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

function makeDirectories({ server, quarantine }: Config): void {
  const { state_dir } = server;
  const all = [
    ["[server] state_dir", state_dir],
    ["[server] state_dir", join(state_dir, "spool")],
    ["[quarantine] dir", quarantine.dir],
  ] as const;
  for (const [key, dir] of all) {
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new Error(
        `${key}: ${dir} cannot be used (${(error as NodeJS.ErrnoException).code ?? "?"}): it must be a directory that the user of postern (uid ${process.geteuid?.() ?? "?"}) may write`,
        { cause: error },
      );
    }
  }
}

function httpDoors(log: Log, crew: Crew, own: Metrics, remark: () => string | null): HttpDoors {
  return new HttpDoors(log, {
    metrics: async () => page([...(await crew.metrics()), await own.registry.getMetricsAsJSON()]),
    notReady: () => crew.notReady(),
    remark,
  });
}
