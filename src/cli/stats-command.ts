// Wires `postern stats` to the configuration: the store that the workers count in.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../open-store.ts";
import { processLog } from "../sys/log.ts";
import { stats } from "./stats.ts";
import { split } from "./wired.ts";

/** A person waits longer than a mail. */
const PATIENCE_MS = 30_000;

export async function statsCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const file = join(config.server.state_dir, "state.db");
  if (!existsSync(file))
    throw new Error(`there is no ${file}: nothing is counted before postern serve has run`);
  const log = processLog("text");
  const store = await openStore(config, log, PATIENCE_MS);
  try {
    return await stats(rest, {
      store: store.stats,
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      width: Math.min(200, Math.max(40, process.stdout.columns ?? 80)),
      now: () => Date.now(),
    });
  } finally {
    await store.close();
    log.flush();
  }
}
