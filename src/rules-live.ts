// The rule files of a running server, read by the supervisor alone: compiled before they are handed to anybody, the last good
// ones kept when they do not compile (in memory while running, in state_dir for the next start).
import type { Config } from "./config.ts";
import { allChecks } from "./checks/index.ts";
import { aliasTables } from "./delivery/alias-source.ts";
import type { SourcePairs } from "./process-messages.ts";
import { compilingRules, type CompiledRules, type RuleFacts } from "./ruleset/compile.ts";
import { errorText, type RuleError } from "./ruleset/errors.ts";
import { readLastGood, storeLastGood } from "./ruleset/last-good.ts";
import { readRules, versionOf, type RuleSource } from "./ruleset/source.ts";
import { watchRules, type Watch } from "./ruleset/watch.ts";
import { readSpamRules } from "./spam-rules.ts";
import { spamRulesCheck, type SpamRulesCheck } from "./spam-rules-check.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { atOnce, inTurns } from "./sys/turns.ts";

export interface LiveRules {
  /** The source in force. */
  source(): SourcePairs;
  /** SpamAssassin's rules as read with it; null when postern does not score itself, or has none. */
  spam(): EngineData | null;
  /** Calls back with each new source that compiles, until close(). */
  watch(onChange: (source: SourcePairs) => void): Promise<void>;
  /** Reads the files now (SIGHUP). */
  reload(): Promise<void>;
  /**
   * Reads and compiles the files for a changed configuration and holds them for whoever asks from now on; nobody is called back.
   * Resolves to a way back. Rejects with RulesError when they do not compile, and then nothing has changed.
   */
  use(config: Config): Promise<() => Promise<void>>;
  /** Why the files on disk are not in force, one line; null when they are. */
  trouble(): string | null;
  close(): void;
}

/** What the compiler is told about the configuration. */
export function ruleFacts(config: Config): RuleFacts {
  const filters = config.listener.filter(
    (l) => (l.protocol === "smtp" || l.protocol === "lmtp") && l.role === "filter",
  );
  return {
    modes: [...new Set(filters.map((l) => l.mode))],
    hasOutgoing: config.outgoing.relay !== null,
  };
}

/** Compiles rules and alias tables together, with the names that checks bring; errors of both in one list. */
export function compileAll(source: RuleSource, config: Config): CompiledRules {
  return atOnce(compilingAll(source, config));
}

/** The same in short steps, for reloads beside live mail. */
export function* compilingAll(source: RuleSource, config: Config): Generator<void, CompiledRules> {
  const facts = ruleFacts(config);
  const first = yield* compilingRules(source, facts);
  const aliases = aliasTables(source).problems;
  if ("errors" in first) return { errors: [...first.errors, ...aliases] };
  if (aliases.length > 0) return { errors: aliases };
  const checks = allChecks(first.ok);
  return yield* compilingRules(source, {
    ...facts,
    symbols: checks.flatMap((check) => [
      ...check.symbols.map((s) => s.symbol),
      `UNCHECKED_${check.name.toUpperCase()}`,
    ]),
  });
}

/** Reads and compiles at start; falls back to the last good source. Throws with all errors when there is none. */
export async function liveRules(config: Config, log: Log, metrics: Metrics): Promise<LiveRules> {
  const rules = new Rules(config, log, metrics);
  await rules.start();
  return rules;
}

class Rules implements LiveRules {
  #config: Config;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #current: RuleSource = new Map();
  #spam: EngineData | null = null;
  #trouble: string | null = null;
  #watch: Watch | null = null;
  #onChange: (source: SourcePairs) => void = () => {};
  readonly #check: SpamRulesCheck;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(config: Config, log: Log, metrics: Metrics) {
    this.#check = spamRulesCheck(log);
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
  }

  source(): SourcePairs {
    return [...this.#current];
  }

  spam(): EngineData | null {
    return this.#spam;
  }

  trouble(): string | null {
    return this.#trouble;
  }

  close(): void {
    this.#watch?.close();
  }

  async start(): Promise<void> {
    const first = await this.#read();
    if ("ok" in first) return this.#good(first.ok, await readSpamRules(this.#config, first.ok));
    const last = await readLastGood(this.#config.server.state_dir);
    if (last === null) throw new RulesError(first.errors);
    this.#current = last;
    this.#spam = await readSpamRules(this.#config, last);
    this.#failed(first.errors, "starting with the last good ones");
  }

  async watch(onChange: (source: SourcePairs) => void): Promise<void> {
    this.#onChange = onChange;
    // Whatever is wrong with the first ones, there are no others to keep.
    this.#check.begin(this.#config, this.#spam);
    await this.#watchDirectory();
  }

  use(config: Config): Promise<() => Promise<void>> {
    return this.#inTurn(() => this.#use(config));
  }

  async #use(config: Config): Promise<() => Promise<void>> {
    const before = {
      config: this.#config,
      current: this.#current,
      spam: this.#spam,
      trouble: this.#trouble,
    };
    this.#config = config;
    const result = await this.#read();
    if ("errors" in result) {
      this.#config = before.config;
      throw new RulesError(result.errors);
    }
    const spam = await this.#nextSpam(result.ok);
    if ("errors" in spam) {
      this.#config = before.config;
      throw new RulesError(spam.errors);
    }
    await this.#good(result.ok, spam.ok);
    const moved = config.server.rules_dir !== before.config.server.rules_dir;
    if (moved) await this.#watchDirectory();
    return async () => {
      this.#config = before.config;
      this.#current = before.current;
      this.#spam = before.spam;
      this.#trouble = before.trouble;
      this.#metrics.rulesLoad.set(before.trouble === null ? 1 : 0);
      if (moved) await this.#watchDirectory();
    };
  }

  async #watchDirectory(): Promise<void> {
    const { rules_dir: dir } = this.#config.server;
    this.#watch?.close();
    this.#watch = await watchRules(
      dir,
      () => void this.reload(),
      (cause) => this.#log.warn(`${dir} cannot be watched: ${String(cause)}`),
    );
  }

  reload(): Promise<void> {
    return this.#inTurn(() => this.#reload());
  }

  /** One after the other: files that were read earlier must not come into force later. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #reload(): Promise<void> {
    const result = await this.#read();
    if ("errors" in result) {
      this.#failed(result.errors, "the last good ones stay in force");
      return;
    }
    const spam = await this.#nextSpam(result.ok);
    if ("errors" in spam) return this.#failed(spam.errors, "the last good ones stay in force");
    await this.#good(result.ok, spam.ok);
    this.#log.info(`rules ${versionOf(result.ok)} loaded from ${this.#config.server.rules_dir}`);
    this.#onChange(this.source());
  }

  async #read(): Promise<{ ok: RuleSource } | { errors: readonly RuleError[] }> {
    const source = await readRules(this.#config.server.rules_dir);
    if ("errors" in source) return source;
    const compiled = await inTurns(compilingAll(source.ok, this.#config));
    if ("errors" in compiled) return { errors: compiled.errors };
    for (const warning of compiled.warnings) this.#log.warn(errorText(warning));
    return { ok: source.ok };
  }

  /** SpamAssassin's rules, unless they must not take the place of those in force. */
  async #nextSpam(
    source: RuleSource,
  ): Promise<{ ok: EngineData | null } | { errors: readonly RuleError[] }> {
    const next = await readSpamRules(this.#config, source);
    const errors = await this.#check.faults(this.#config, next);
    return errors.length > 0 ? { errors } : { ok: next };
  }

  #failed(errors: readonly RuleError[], kept: string): void {
    for (const error of errors) this.#log.error(errorText(error));
    this.#log.error(`the rule files have errors: ${kept}`);
    const [first] = errors;
    this.#trouble = `the last good rules are kept: ${first === undefined ? "" : errorText(first)}`;
    this.#metrics.rulesLoad.set(0);
    this.#metrics.rulesReloads.inc({ result: "error" });
  }

  async #good(source: RuleSource, spam: EngineData | null): Promise<void> {
    this.#trouble = null;
    this.#current = source;
    this.#spam = spam;
    this.#metrics.rulesLoad.set(1);
    this.#metrics.rulesReloads.inc({ result: "ok" });
    const { state_dir: stateDir } = this.#config.server;
    await storeLastGood(stateDir, source).catch((error: Error) =>
      // Only the next start would miss it; the rules in force are not touched.
      this.#log.warn(`the last good rules cannot be stored in ${stateDir}: ${error.message}`),
    );
  }
}

/** Rule files that do not compile, and no last good ones to fall back to. Exit code 2. */
export class RulesError extends Error {
  readonly code = "RULES";
  constructor(errors: readonly RuleError[]) {
    super(errors.map(errorText).join("\n"));
  }
}
