// What a worker writes down about answered messages behind their back: statistics into the state store, a row of facts into the
// history. Made by rooms.ts; nothing here can delay a message.
import { join } from "node:path";
import type { Config } from "./config.ts";
import { historyRow } from "./engine/history.ts";
import type { Answered } from "./engine/record.ts";
import { countMessage } from "./engine/statistics.ts";
import { historyWriter } from "./state/history.ts";
import { statsGatherer } from "./state/stats-gather.ts";
import type { Store } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface Accounts {
  /** Never throws; the history row is made in a later turn. */
  add(answered: Answered): void;
  /** Writes what is left; before the store is closed. */
  close(): Promise<void>;
}

/** Where the history lies. */
export function historyFile(config: Config): string {
  return join(config.server.state_dir, "history.db");
}

export function accounts(config: Config, store: Store, log: Log, metrics: Metrics): Accounts {
  const warn = (text: string): void => log.warn(text);
  const statistics = statsGatherer({ store: store.stats, warn });
  const { enabled, max_age: maxAgeMs, max_size: maxBytes } = config.history;
  const history = enabled
    ? historyWriter({
        file: historyFile(config),
        maxAgeMs,
        maxBytes,
        onResult: (result, rows) => metrics.history.inc({ result }, rows),
        warn,
      })
    : null;
  return {
    add(answered) {
      countMessage(answered, statistics);
      if (history === null) return;
      historyRow(answered, Date.now()).then(
        (row) => history.add(row),
        (error: unknown) => warn(`history: ${String(error)}`),
      );
    },
    async close() {
      await Promise.all([statistics.close(), history?.close()]);
    },
  };
}
