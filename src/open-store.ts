// Opens what a worker or a command remembers with: SQLite in state_dir, or Redis when [redis] url is set. The memory of retries
// is kept on this host in both cases, so that it outlives an absence of Redis.
import { join } from "node:path";
import type { Config } from "./config.ts";
import { withFallback } from "./state/handed-on.ts";
import { sqliteStore } from "./state/sqlite.ts";
import type { HostStore } from "./state/store.ts";
import type { Log } from "./sys/log.ts";

/** The file must be prepared (state/sqlite.ts). `patienceMs`: how long one question may take; default [redis] timeout. */
export async function openStore(config: Config, log: Log, patienceMs?: number): Promise<HostStore> {
  const deadlineMs = patienceMs ?? config.redis.timeout;
  const local = sqliteStore(join(config.server.state_dir, "state.db"), deadlineMs);
  const { url, prefix, ca } = config.redis;
  if (url === undefined) return local;
  // ioredis is only loaded where it is used.
  const { redisStore } = await import("./state/redis.ts");
  const shared = redisStore({
    url,
    prefix,
    deadlineMs,
    caFile: ca,
    onState: (up, why) =>
      up
        ? log.info("redis: connected")
        : log.warn(`redis: ${why}; mail goes on without greylisting and limits until it is back`),
  });
  return {
    ...shared,
    filed: local.filed,
    handedOn: withFallback(shared.handedOn, local.handedOn, (error) =>
      log.warn(
        `redis: ${error instanceof Error ? error.message : String(error)}: retries are known to this host only`,
      ),
    ),
    async close() {
      await Promise.all([shared.close(), local.close()]);
    },
  };
}
