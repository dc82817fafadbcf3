// The spam scorer of one worker, wired: the client over the configured spamds, the engine for SpamAssassin's rules, or both, and what they
// tell metrics and log. Made by rooms.ts and by `postern scan`.
import { bayesMemory, type BayesMemory } from "./checks/bayes-memory.ts";
import { both, type Difference } from "./checks/spam-both.ts";
import type { RuleDns } from "./checks/spam-dns.ts";
import { BY_ENGINE, engineScorer, type EngineScorerOptions } from "./checks/spam-engine.ts";
import { provenAt } from "./checks/spam-proofs.ts";
import type { Scorer } from "./checks/spam-scorer.ts";
import type { SpamMeans } from "./checks/spam.ts";
import type { Dns } from "./clients/dns.ts";
import { mailauthResolver } from "./clients/dns-mailauth.ts";
import { parseEndpoint, type Endpoint } from "./clients/endpoint.ts";
import { spamd } from "./clients/spamd.ts";
import type { Config } from "./config.ts";
import { autolearner, teacher, type Teacher } from "./learning.ts";
import { liveEngine, type LiveEngine } from "./live-engine.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import type { HostStore } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { startTraining } from "./training.ts";

export interface Told {
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What is kept of lessons, and of the folders that give them. */
type Remembered = Pick<HostStore, "tokens" | "filed" | "rates">;

export interface Scoring {
  /** What the spam check needs; null when nobody scores. */
  readonly means: SpamMeans | null;
  /** null when postern does not score itself. */
  readonly engine: LiveEngine | null;
  /** What Bayes learned; null when it is not asked. */
  readonly memory: BayesMemory | null;
  /** Whom the engine's rules ask that want DNS; null: only local tests. */
  readonly dns: RuleDns | null;
  /** Who teaches it, for TELL; null where nothing is learned. */
  readonly teacher: (() => Teacher) | null;
  close(): Promise<void>;
}

/** Whether a listener has mail to score: where none has, nobody waits for the rules to be compiled, nor pays for them. */
export function hasMailToScore({ listener }: Config): boolean {
  return listener.some(({ protocol, role }) => {
    const takesMail = (protocol === "smtp" || protocol === "lmtp") && role === "filter";
    return takesMail || protocol === "spamd";
  });
}

/** The configured spamds; none: they are not asked. */
export function spamdEndpoints(config: Config): readonly Endpoint[] {
  return (config.spamd.endpoints ?? []).flatMap((text) => parseEndpoint(text) ?? []);
}

/**
 * `rules` are those of the engine, null without any. Without metrics and log (a command) nobody is told, and each hit says on what.
 * Without a store nothing was learned; without a resolver no rule asks DNS.
 */
export function scoring(
  config: Config,
  rules: EngineData | null,
  told: Told | null,
  store: Remembered | null = null,
  resolver: Dns | null = null,
): Scoring {
  const { engine: which, serve } = config.spam;
  const live =
    (which === "native" || which === "both") && rules !== null
      ? liveEngine(config, rules, told)
      : null;
  const dns =
    resolver === null || rules?.local !== false
      ? null
      : {
          dns: resolver,
          budgetMs: config.dns.budget,
          onAnswers(answered: number, silent: number) {
            told?.metrics.spamDns.inc({ result: "answered" }, answered);
            told?.metrics.spamDns.inc({ result: "silent" }, silent);
          },
        };
  const memory = store === null || live === null ? null : memoryOf(config, store, told);
  let taught: Teacher | null = null;
  const learner =
    store === null || rules === null || memory === null
      ? null
      : (): Teacher => (taught ??= teacher(config, rules, store.tokens));
  const learn =
    config.bayes.autolearn && learner !== null
      ? autolearner(learner, (text) => told?.log.warn(text))
      : null;
  const ours = live === null ? null : nativeScorer(live, { bayes: memory, dns, learn }, told);
  const theirs =
    (which === "spamd" || which === "both") && spamdEndpoints(config).length > 0
      ? spamdScorer(config, told)
      : null;
  const scorer =
    ours === null || theirs === null
      ? (ours ?? theirs)
      : compared(config, serve === "native" ? [ours, theirs] : [theirs, ours], told);
  const folders =
    store === null || told === null || memory === null
      ? null
      : startTraining({ config, store, data: rules, ...told });
  return {
    means: scorer === null ? null : meansOf(config, scorer, ours === null ? null : proofsBy(dns)),
    engine: live,
    memory,
    dns,
    teacher: learner,
    close: async () => {
      await Promise.all([live?.close(), taught?.close(), folders?.stop()]);
    },
  };
}

function meansOf(config: Config, scorer: Scorer, proofs: SpamMeans["proofs"]): SpamMeans {
  const { spam, spamd: servers } = config;
  const { max_size: maxSize, oversize } = spam.engine === "spamd" ? servers : spam;
  return {
    scorer,
    maxSize,
    oversize,
    user: servers.user,
    hostname: config.server.hostname,
    product: config.headers.product,
    mtaNames: new Set(config.networks.mta_names.map((name) => name.toLowerCase())),
    proofs,
  };
}

/** What the auth check found, and what the rules want besides. */
function proofsBy(dns: RuleDns | null): SpamMeans["proofs"] {
  const resolver = dns === null ? null : mailauthResolver(dns.dns);
  return (message, findings, signal) => provenAt(message, findings, resolver, signal);
}

function memoryOf(
  { bayes }: Config,
  { tokens }: Remembered,
  told: Told | null,
): BayesMemory | null {
  if (!bayes.enabled) return null;
  return bayesMemory({
    store: tokens,
    minSpam: bayes.min_spam,
    minHam: bayes.min_ham,
    warn: (text) => told?.log.warn(text),
  });
}

function nativeScorer(
  live: LiveEngine,
  outside: Pick<EngineScorerOptions, "bayes" | "dns" | "learn">,
  told: Told | null,
): Scorer {
  return engineScorer({
    ...outside,
    engine: () => live.current,
    explain: told === null,
    onResult(result, rule) {
      told?.metrics.spamEngine.inc({ result });
      if (result === "partial")
        told?.log.warn(
          `spam rules: the time for one message was over at ${rule || "the start"}; what had hit by then counts. If that rule comes again, look at its pattern, or give it "score ${rule || "NAME"} 0"`,
        );
    },
  });
}

function spamdScorer(config: Config, told: Told | null): Scorer {
  const endpoints = spamdEndpoints(config);
  const { deadline, in_flight: inFlight } = config.spamd;
  for (const { name } of endpoints) told?.metrics.spamdHealthy.set({ endpoint: name }, 1);
  const client = spamd({
    endpoints,
    deadlineMs: deadline,
    inFlight,
    onResult: (result) => told?.metrics.spamScorings.inc({ result }),
    onHealth(endpoint, why) {
      told?.metrics.spamdHealthy.set({ endpoint: endpoint.name }, why === null ? 1 : 0);
      if (why === null) told?.log.info(`spamd ${endpoint.name} answers again`);
      else told?.log.warn(`spamd ${endpoint.name} is left alone: ${why}`);
    },
  });
  return {
    async score(body, { user }, signal) {
      const scored = await client.score(body, user, signal);
      return scored.kind === "error" ? scored : { ...scored, by: scored.endpoint, partial: null };
    },
  };
}

/**
 * The engine minds its own deadlines, one for a thread to come free and one for the rules, and then has a partial answer that names the
 * rule: what ends it before has none.
 */
const RULES_SLACK_MS = 2000;

function compared(config: Config, [served, other]: [Scorer, Scorer], told: Told | null): Scorer {
  const native = config.spam.serve === "native";
  const names = native ? [BY_ENGINE, "spamd"] : ["spamd", BY_ENGINE];
  return both({
    served,
    other,
    otherMs: native ? config.spamd.deadline : 2 * config.spam.deadline + RULES_SLACK_MS,
    atOnce: config.spamd.in_flight * 4,
    compared(difference, id) {
      if (told === null) return;
      const result = difference === null ? "same" : rulesDiffer(difference) ? "rules" : "points";
      told.metrics.spamCompared.inc({ result });
      if (difference !== null) told.log.info(`(${id}) ${differenceText(difference, names)}`);
    },
    uncompared(why, id) {
      told?.metrics.spamCompared.inc({ result: "unknown" });
      told?.log.info(`(${id}) spam scorers not compared: ${why}`);
    },
  });
}

const rulesDiffer = ({ onlyServed, onlyOther }: Difference): boolean =>
  onlyServed.length + onlyOther.length > 0;

const MAX_NAMES = 40;

/** One line. Names of rules are letters, digits and "_" whoever gives them. */
function differenceText(difference: Difference, [served = "", other = ""]: string[]): string {
  const list = (whose: string, rules: readonly string[]): string =>
    rules.length === 0
      ? ""
      : `, only ${whose}: ${rules.slice(0, MAX_NAMES).join(" ")}${rules.length > MAX_NAMES ? " …" : ""}`;
  return `spam scorers differ: ${served} ${difference.served} (served), ${other} ${difference.other}${list(served, difference.onlyServed)}${list(other, difference.onlyOther)}`;
}
