// Wires `postern learn` to the configuration: the store that the workers use, and threads that read messages by the engine's rules.
import { chownSync, existsSync, mkdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { teacher } from "../learning.ts";
import { openStore } from "../open-store.ts";
import { readRules } from "../ruleset/source.ts";
import { RulesError } from "../rules-live.ts";
import { readSpamRules } from "../spam-rules.ts";
import { prepareStore } from "../state/sqlite.ts";
import { processLog } from "../sys/log.ts";
import { learn } from "./learn.ts";
import { progress } from "./progress.ts";
import { split } from "./wired.ts";

/** A person waits longer than a mail. */
const PATIENCE_MS = 60_000;

export async function learnCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const source = await readRules(config.server.rules_dir);
  if ("errors" in source) throw new RulesError(source.errors);
  const data = await readSpamRules(config, source.ok);
  if (data === null)
    throw new Error(
      "postern does not score mail itself ([spam] engine): what it learned would be of no use; spamd is taught by sa-learn",
    );
  prepare(config);
  const log = processLog("text");
  const store = await openStore(config, log, PATIENCE_MS);
  const threads = Math.min(4, availableParallelism());
  const teaching = teacher(config, data, store.tokens, threads);
  const signal = interruption();
  try {
    return await learn(rest, {
      teacher: teaching,
      tokens: store.tokens,
      atOnce: 4 * threads,
      minSpam: config.bayes.min_spam,
      minHam: config.bayes.min_ham,
      maxTokens: config.bayes.max_tokens,
      stdin: process.stdin,
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      progress,
      signal,
      now: () => Date.now(),
    });
  } finally {
    await teaching.close();
    await store.close();
    log.flush();
  }
}

/** Aborted by the first Ctrl-C; the next one ends the process at once. */
function interruption(): AbortSignal {
  const over = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => {
      over.abort();
      process.stdin.destroy();
    });
  return over.signal;
}

/** Teaching may come before the first start. What root makes here must be the server's. */
function prepare({ server: { state_dir: directory } }: Config): void {
  const file = join(directory, "state.db");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const isNew = !existsSync(file);
  prepareStore(file);
  const { uid, gid } = statSync(directory);
  if (isNew && process.geteuid?.() === 0) chownSync(file, uid, gid);
}
