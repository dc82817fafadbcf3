// The rule files of a running server, read by the supervisor alone: compiled before they are handed to anybody, the last good
// ones kept when they do not compile (in memory while running, in state_dir for the next start).
import type { Config } from "./config.ts";
import { checksOf } from "./checks/index.ts";
import { aliasTables } from "./delivery/alias-source.ts";
import type { SourcePairs } from "./process-messages.ts";
import { compileRules, type CompiledRules, type RuleFacts } from "./ruleset/compile.ts";
import { errorText, type RuleError } from "./ruleset/errors.ts";
import { readLastGood, storeLastGood } from "./ruleset/last-good.ts";
import { readRules, type RuleSource } from "./ruleset/source.ts";
import { watchRules, type Watch } from "./ruleset/watch.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface LiveRules {
  /** The source in force. */
  source(): SourcePairs;
  /** Calls back with each new source that compiles, until close(). */
  watch(onChange: (source: SourcePairs) => void): Promise<void>;
  /** Reads the files now (SIGHUP). */
  reload(): Promise<void>;
  /** Why the files on disk are not in force, one line; null when they are. */
  trouble(): string | null;
  close(): void;
}

/** What the compiler is told about the configuration. */
export function ruleFacts(config: Config): RuleFacts {
  const filters = config.listener.filter((l) => l.protocol !== "http" && l.role === "filter");
  return {
    modes: [...new Set(filters.map((l) => l.mode))],
    hasOutgoing: config.outgoing.relay !== null,
  };
}

/** Compiles rules and alias tables together, with the names that checks bring; errors of both in one list. */
export function compileAll(source: RuleSource, config: Config): CompiledRules {
  const facts = ruleFacts(config);
  const first = compileRules(source, facts);
  const aliases = aliasTables(source).problems;
  if ("errors" in first) return { errors: [...first.errors, ...aliases] };
  if (aliases.length > 0) return { errors: aliases };
  const checks = checksOf(first.ok);
  return compileRules(source, {
    ...facts,
    symbols: checks.flatMap((check) => [...check.symbols.map((s) => s.symbol), `UNCHECKED_${check.name.toUpperCase()}`]),
  });
}

/** Reads and compiles at start; falls back to the last good source. Throws with all errors when there is none. */
export async function liveRules(config: Config, log: Log, metrics: Metrics): Promise<LiveRules> {
  const { rules_dir: dir, state_dir: stateDir } = config.server;
  let watching: Watch | null = null;
  let onChange: (source: SourcePairs) => void = () => {};
  let trouble: string | null = null;
  let current: RuleSource;

  const read = async (): Promise<{ ok: RuleSource } | { errors: readonly RuleError[] }> => {
    const source = await readRules(dir);
    if ("errors" in source) return source;
    const compiled = compileAll(source.ok, config);
    if ("errors" in compiled) return { errors: compiled.errors };
    for (const warning of compiled.warnings) log.warn(errorText(warning));
    return { ok: source.ok };
  };
  const failed = (errors: readonly RuleError[], kept: string): void => {
    for (const error of errors) log.error(errorText(error));
    log.error(`the rule files have errors: ${kept}`);
    trouble = `the last good rules are kept: ${errors[0] === undefined ? "" : errorText(errors[0])}`;
    metrics.rulesLoad.set(0);
    metrics.rulesReloads.inc({ result: "error" });
  };
  const good = async (source: RuleSource): Promise<void> => {
    trouble = null;
    current = source;
    metrics.rulesLoad.set(1);
    metrics.rulesReloads.inc({ result: "ok" });
    await storeLastGood(stateDir, source).catch((error: Error) =>
      // Only the next start would miss it; the rules in force are not touched.
      log.warn(`the last good rules cannot be stored in ${stateDir}: ${error.message}`),
    );
  };
  const reload = async (): Promise<void> => {
    const result = await read();
    if ("errors" in result) {
      failed(result.errors, "the last good ones stay in force");
      return;
    }
    await good(result.ok);
    log.info(`rules loaded from ${dir}`);
    onChange([...result.ok]);
  };

  const first = await read();
  if ("ok" in first) {
    current = first.ok;
    await good(first.ok);
  } else {
    const last = await readLastGood(stateDir);
    if (last === null) throw new RulesError(first.errors);
    current = last;
    failed(first.errors, "starting with the last good ones");
  }
  return {
    source: () => [...current],
    async watch(callback) {
      onChange = callback;
      watching = await watchRules(
        dir,
        () => void reload(),
        (cause) => log.warn(`${dir} cannot be watched: ${String(cause)}`),
      );
    },
    reload,
    trouble: () => trouble,
    close: () => watching?.close(),
  };
}

/** Rule files that do not compile, and no last good ones to fall back to. Exit code 2. */
export class RulesError extends Error {
  readonly code = "RULES";
  constructor(errors: readonly RuleError[]) {
    super(errors.map(errorText).join("\n"));
  }
}
