// What everybody who judges needs from the configuration: the checks over a rule source, the surroundings of a message, and
// the domains that are ours. Shared by the worker, `scan` and `rules check`.
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { checksOf, type MessageMeans } from "./checks/index.ts";
import { DEFAULT_DEEP_LIMITS } from "./content/budget.ts";
import { deepReading, type DeepReading } from "./content/deep.ts";
import { readTree, treeReader } from "./content/tree.ts";
import type { TreeLimits } from "./content/tree-walk.ts";
import type { Bench } from "./engine/judge.ts";
import type { Surroundings } from "./engine/receive.ts";
import { networks } from "./mail/ip.ts";
import type { WalkLimits } from "./mail/mime.ts";
import { compileAll, compilingAll } from "./rules-live.ts";
import type { CompiledRules } from "./ruleset/compile.ts";
import { errorText } from "./ruleset/errors.ts";
import type { RuleSource } from "./ruleset/source.ts";
import { logIds, mailId } from "./sys/ids.ts";
import type { Metrics } from "./sys/metrics.ts";
import { inTurns } from "./sys/turns.ts";

/**
 * The rules and checks of a source that the supervisor has compiled already. Throws when it does not compile. Without `means`
 * the checks that ask the outside are off.
 */
export function benchOf(source: RuleSource, config: Config, means?: MessageMeans): Bench {
  return benchFrom(compileAll(source, config), means);
}

/** The same without holding the event loop: for a reload beside live mail. */
export async function nextBench(
  source: RuleSource,
  config: Config,
  means?: MessageMeans,
): Promise<Bench> {
  return benchFrom(await inTurns(compilingAll(source, config)), means);
}

function benchFrom(compiled: CompiledRules, means: MessageMeans | undefined): Bench {
  if ("errors" in compiled) throw new Error(compiled.errors.map(errorText).join("\n"));
  return { rules: compiled.ok, checks: checksOf(compiled.ok, means) };
}

/** How the parts of a message are walked. */
function walkLimits({ limits }: Config): WalkLimits {
  return {
    maxParts: limits.parts,
    maxDepth: limits.depth,
    maxHeaderBytes: limits.header_size,
  };
}

/** The threads that look into containers; made once per process, and closed at its end. */
export function deepening(config: Config, metrics: Metrics | null = null): DeepReading {
  const { limits, server } = config;
  const pool = "archives";
  metrics?.threadWaiting.set({ pool }, 0);
  return deepReading({
    limits: {
      ...DEFAULT_DEEP_LIMITS,
      depth: limits.archive_depth,
      members: limits.archive_members,
      octets: limits.archive_size,
      ms: limits.archive_time,
    },
    walk: walkLimits(config),
    // A command may run where the server's directory is not its to write to.
    directory: metrics === null ? tmpdir() : join(server.state_dir, "spool"),
    threads: limits.archive_threads,
    ...(metrics !== null && {
      onEnd: (result, ms) => {
        metrics.threadJobs.inc({ pool, result });
        metrics.threadSeconds.observe({ pool }, ms / 1000);
      },
      onWaiting: (jobs) => metrics.threadWaiting.set({ pool }, jobs),
    }),
  });
}

/** `keepTexts` tells for each message whether its texts are looked at for links. Without `deep` it has threads of its own. */
export function surroundings(
  config: Config,
  keepTexts: () => boolean = () => false,
  deep: DeepReading = deepening(config),
): Surroundings {
  const { limits, networks: nets } = config;
  const walk = walkLimits(config);
  const treeLimits = (): TreeLimits => ({ ...walk, keepTexts: keepTexts() });
  return {
    internal: networks(nets.internal),
    relays: networks(nets.relays),
    mtaNames: new Set(nets.mta_names.map((name) => name.toLowerCase())),
    maxReceived: limits.received,
    maxHeaderBytes: limits.header_size,
    readTree: (body) => readTree(body, treeLimits()),
    arrivingTree: () => treeReader(treeLimits()),
    deepen: (tree, body, signal) => deep.deepen(tree, body, signal),
    nextId: logIds(),
    mailId,
  };
}

/** True for a domain of ours; with no domains configured (a plain relay) every recipient counts as ours. */
export function isLocal(config: Config): (domain: string) => boolean {
  const domains = new Set(config.delivery.domains);
  return domains.size === 0 ? () => true : (domain) => domain === "" || domains.has(domain);
}
