// A worker's listeners: starts them over the rooms that they share, and stops them. Used by worker.ts and tests.
import type { Config } from "./config.ts";
import { openStore } from "./open-store.ts";
import { listenTrouble, whereOf } from "./listen-address.ts";
import type { RuleSource } from "./ruleset/source.ts";
import type { Listener } from "./servers/listener.ts";
import type { SmtpListener } from "./servers/smtp.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import { Rooms } from "./rooms.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface App {
  readonly listening: readonly string[];
  /** Addresses that were taken, with why; only without a configuration file. */
  readonly skipped: readonly string[];
  /**
   * Puts new rules in force, in the order of the calls; messages under way keep theirs. Rejects when they do not compile: the
   * old ones stay.
   */
  use(source: RuleSource, spam?: EngineData | null): Promise<void>;
  /**
   * Finishes what is in flight, for at most `graceMs`, then closes everything. Sessions that have begun no transaction may begin one
   * within `firstMs`.
   */
  stop(graceMs: number, firstMs: number): Promise<void>;
}

const FAILED_GRACE_MS = 10_000;

/**
 * Starts all SMTP, LMTP and policy listeners. Rejects when one cannot listen (see `skipped`). `spam`: SpamAssassin's rules, null
 * without any.
 */
export async function startApp(
  config: Config,
  source: RuleSource,
  log: Log,
  metrics: Metrics,
  spam: EngineData | null = null,
): Promise<App> {
  const rooms = new Rooms(config, { source, spam }, log, metrics, await openStore(config, log));
  await rooms.ready();
  const listeners: (SmtpListener | Listener)[] = [];
  const listening: string[] = [];
  const skipped: string[] = [];
  for (const entry of config.listener) {
    const links = entry.role === "links";
    if (entry.protocol === "http" && !links) continue;
    const asked = ["policy", "clamd", "spamd"].includes(entry.protocol) || links;
    const listener = asked ? rooms.asked(entry) : rooms.listener(entry);
    const what = asked && !links ? entry.protocol : `${entry.protocol}, ${entry.role}`;
    try {
      await listener.listen(whereOf(entry.listen));
      listeners.push(listener);
      const mode = !asked && entry.role === "filter" ? `, ${entry.mode}` : "";
      listening.push(`${entry.listen} (${what}${mode})`);
    } catch (error) {
      const why = `${entry.listen} (${what}): ${listenTrouble(error)}`;
      // Defaults step aside for whoever has the port, but a filter that does not filter must not look as if it ran.
      if (config.file !== null || (!asked && entry.role === "filter")) {
        // Those that listen already may have taken connections, beside the workers that we were to follow.
        await Promise.all(listeners.map((one) => one.close(FAILED_GRACE_MS, FAILED_GRACE_MS)));
        throw new Error(`cannot listen on ${why}`, { cause: error });
      }
      skipped.push(why);
    }
  }
  return {
    listening,
    skipped,
    use: (next, nextSpam = null) => rooms.use(next, nextSpam),
    async stop(graceMs, firstMs) {
      await Promise.all(listeners.map((listener) => listener.close(graceMs, firstMs)));
      await rooms.close();
    },
  };
}
