// A changed postern.toml while mail flows (SIGHUP): read and checked as at a start, then put in force by new workers, or, whatever
// is wrong with it, told with file and line while the old one stays. Called by supervisor.ts.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Config } from "./config.ts";
import { ConfigError, lineOf } from "./config-error.ts";
import { hostOf, listenTrouble, portOf } from "./listen-address.ts";
import { groupId } from "./sys/group.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface Reloading {
  /** The configuration in force. */
  readonly current: Config;
  /** Reads the file. Resolves to whether it was put in force; false when it says the same or cannot be used (told in the log). */
  look(): Promise<boolean>;
  /** Why the file on disk is not in force, one line; null when it is, as of the last look. */
  trouble(): string | null;
}

export interface ReloadingMeans {
  readonly config: Config;
  /** Reads configuration as at the start. Throws ConfigError. */
  readonly load: () => Config;
  /** Puts it in force, or rejects with why it cannot be, and then nothing has changed. */
  readonly apply: (next: Config, before: Config) => Promise<void>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function reloading({ config, load, apply, log, metrics }: ReloadingMeans): Reloading {
  let current = config;
  let trouble: string | null = null;
  metrics.configLoad.set(1);

  const failed = (error: Error): void => {
    const lines = error.message.split("\n");
    for (const line of lines) log.error(line);
    log.error("the changed configuration cannot be used: the last good one stays in force");
    trouble = `the last good configuration is kept: ${lines[0] ?? ""}`;
    metrics.configLoad.set(0);
    metrics.configReloads.inc({ result: "error" });
  };
  return {
    get current() {
      return current;
    },
    trouble: () => trouble,
    async look() {
      try {
        const next = load();
        if (JSON.stringify(next) !== JSON.stringify(current)) {
          checkFixed(next, current);
          await checkListeners(next, current);
          await apply(next, current);
          current = next;
          metrics.configReloads.inc({ result: "ok" });
          log.info(
            `configuration loaded from ${next.file ?? "the defaults"}: new workers took over`,
          );
          trouble = null;
          metrics.configLoad.set(1);
          return true;
        }
        trouble = null;
        metrics.configLoad.set(1);
      } catch (error) {
        failed(error as Error);
      }
      return false;
    },
  };
}

/** What the supervisor itself is built on. */
const FIXED = ["state_dir", "log_format"] as const;

function checkFixed(next: Config, before: Config): void {
  for (const key of FIXED) {
    if (next.server[key] === before.server[key]) continue;
    throw new ConfigError(
      `${located(next, ["server", key])}: server.${key}: cannot change while postern runs: restart it, or take the change back`,
    );
  }
}

/** Addresses that are new must be free and groups exist, before any worker is started for them. */
async function checkListeners(next: Config, before: Config): Promise<void> {
  for (const [i, { listen, socket_group: group }] of next.listener.entries()) {
    if (group !== undefined && groupId(group) === null) {
      throw new ConfigError(
        `${located(next, ["listener", i, "socket_group"])}: listener.socket_group: there is no group "${group}"`,
      );
    }
    if (listen.startsWith("unix:") || before.listener.some((one) => one.listen === listen))
      continue;
    try {
      await tryListening(hostOf(listen), portOf(listen));
    } catch (error) {
      throw new ConfigError(
        `${located(next, ["listener", i, "listen"])}: listener.listen: cannot listen on ${listen}: ${listenTrouble(error)}`,
      );
    }
  }
}

function tryListening(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function located({ file }: Config, path: readonly PropertyKey[]): string {
  return file === null ? "defaults" : `${file}:${lineOf(readFileSync(file, "utf8"), path)}`;
}
