// What keeps the disks tidy, in the supervisor: leftovers of a crash at start; quarantine bounds and the copies' count every few
// minutes; what crashed deliveries left in Maildirs once a day. Bounded work per run; failures are logged and tried again.
import { join } from "node:path";
import type { Config } from "./config.ts";
import { quarantine } from "./mailstore/quarantine.ts";
import { sweepTmp } from "./mailstore/sweep.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { spoolRoom } from "./sys/spool.ts";

const EXPIRE_EVERY_MS = 5 * 60 * 1000;
const SWEEP_EVERY_MS = 24 * 3600 * 1000;
/** A copy that was being written when we died is older than any message's budget. */
const LEFTOVER_MS = 3600 * 1000;

/** Sweeps now, then keeps house until stop(), after use() by another configuration. Called while no worker runs: the spool is nobody's. */
export async function housekeeping(
  config: Config,
  log: Log,
  metrics: Metrics,
): Promise<{ use(next: Config): void; stop(): void }> {
  let current = config;
  const storeNow = (): ReturnType<typeof quarantine> =>
    quarantine({ directory: current.quarantine.dir, warn: (text) => log.warn(text) });
  const guarded = (what: string, work: () => Promise<void>) => (): void =>
    void work().catch((error: Error) => log.warn(`${what}: ${error.message}`));
  const expire = guarded("quarantine cannot be expired", async () => {
    const { max_age: maxAgeMs, max_size: maxBytes } = current.quarantine;
    const { removed, entries, bytes } = await storeNow().expire({
      maxAgeMs,
      maxBytes,
      now: new Date(),
    });
    metrics.quarantineMessages.set(entries);
    metrics.quarantineBytes.set(bytes);
    metrics.quarantineMaxBytes.set(maxBytes);
    if (removed > 0)
      log.info(`quarantine: ${removed} expired copies removed, ${entries} left (${bytes} octets)`);
  });
  const sweep = guarded("mail_root cannot be swept", async () => {
    if (!deliversHere(current)) return;
    const removed = await sweepTmp(current.delivery.mail_root).catch(missing);
    if (removed > 0) log.info(`delivery: ${removed} files of crashed deliveries removed from tmp/`);
  });
  const left = await spoolRoom({ dir: join(config.server.state_dir, "spool") }).sweep();
  if (left > 0)
    log.info(`${left} spool files of a crash removed: their messages were not acknowledged`);
  guarded("quarantine cannot be swept", async () => {
    await storeNow().sweep({ olderThanMs: LEFTOVER_MS, now: new Date() });
  })();
  expire();
  sweep();
  const timers = [setInterval(expire, EXPIRE_EVERY_MS), setInterval(sweep, SWEEP_EVERY_MS)];
  return {
    use(next) {
      current = next;
    },
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** Whether mail is delivered here: a filter that only relays may not even be able to see mail_root. */
export function deliversHere(config: Config): boolean {
  return config.listener.some(
    (l) =>
      (l.protocol === "smtp" || l.protocol === "lmtp") &&
      (l.role === "delivery" || (l.next_hop ?? config.next_hop.relay) === "local"),
  );
}

function missing(error: NodeJS.ErrnoException): number {
  if (error.code === "ENOENT") return 0;
  throw error;
}
