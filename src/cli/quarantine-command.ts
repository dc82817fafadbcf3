// Wires `postern quarantine` to the configuration: the store, the ways out and the memory that the workers use.
import { userInfo } from "node:os";
import type { Config } from "../config.ts";
import { aliasTables } from "../delivery/alias-source.ts";
import { digests } from "../digests.ts";
import { localDelivery, type LocalDelivery } from "../local-delivery.ts";
import { linkKeyFile } from "../links-service.ts";
import type { Destination } from "../mail/destination.ts";
import { indexer } from "../indexer.ts";
import { quarantine as quarantineStore, type Quarantine } from "../mailstore/quarantine.ts";
import { relays, releaseRelay, type Relays } from "../relays.ts";
import { RulesError } from "../rules-live.ts";
import { readRules } from "../ruleset/source.ts";
import { rotateLinkKey } from "../state/link-key.ts";
import type { SharedNodes } from "../state/shared-nodes.ts";
import { mailId } from "../sys/ids.ts";
import { processLog, type Log } from "../sys/log.ts";
import { metrics } from "../sys/metrics.ts";
import { quarantine, type QuarantineDeps } from "./quarantine.ts";
import { otherNodes } from "./quarantine-nodes.ts";
import { split } from "./wired.ts";

export async function quarantineCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const log = processLog("text");
  const out = relays(config, log, metrics());
  const shared = await sharing(config, log);
  try {
    return await quarantine(
      rest,
      {
        out: async (data) => {
          if (!process.stdout.write(data))
            await new Promise<void>((resolve) => process.stdout.once("drain", () => resolve()));
        },
        err: (text) => void process.stderr.write(text),
      },
      await depsOf(config, out, log, shared),
    );
  } finally {
    await shared?.close();
    await out.close();
    log.flush();
  }
}

async function depsOf(
  config: Config,
  out: Relays,
  log: Log,
  shared: Sharing | null,
): Promise<QuarantineDeps> {
  const store = shared?.quarantine ?? storeOf(config, log);
  const by = `command line (${process.env["SUDO_USER"] ?? userName()})`;
  const outgoing = config.outgoing.relay === null ? null : out.to(config.outgoing.relay);
  const local = await localOf(config, outgoing, log);
  return {
    quarantine: store,
    destination: (nextHop) => {
      const relay = releaseRelay(config, nextHop);
      return relay === "local" ? local.filter : out.to(relay);
    },
    by,
    ...(shared !== null && {
      others: otherNodes({ nodes: shared.nodes, node: config.server.node, by }),
    }),
    rotateKey: () => rotateLinkKey(linkKeyFile(config)),
    digest: (recipients) => digestNow(recipients, config, store, outgoing ?? local.delivery),
    hostname: config.server.hostname,
    now: () => new Date(),
    newMailId: mailId,
    log: (line) => log.message([line], () => ({})),
    maxAgeMs: config.quarantine.max_age,
    maxBytes: config.quarantine.max_size,
    deadlineMs: config.limits.budget_after_queue,
  };
}

function storeOf(config: Config, log: Log): Quarantine {
  return quarantineStore({ directory: config.quarantine.dir, warn: (text) => log.warn(text) });
}

interface Sharing {
  /** The store of this node, which tells the index what changes. */
  readonly quarantine: Quarantine;
  readonly nodes: SharedNodes;
  close(): Promise<void>;
}

/** A person waits longer than a message may. */
const REDIS_MS = 5_000;

/** What nodes share; null without a Redis. */
async function sharing(config: Config, log: Log): Promise<Sharing | null> {
  const { url, prefix, ca } = config.redis;
  if (url === undefined) return null;
  const { redisStore } = await import("../state/redis.ts");
  const store = redisStore({ url, prefix, caFile: ca, deadlineMs: REDIS_MS });
  const { nodes } = store;
  const keeping = indexer({
    index: nodes.index,
    node: config.server.node,
    quarantine: storeOf(config, log),
    directory: config.quarantine.dir,
    maxAgeMs: config.quarantine.max_age,
    warn: (error) => log.warn(`nodes: ${String(error)}`),
  });
  return {
    quarantine: keeping.quarantine,
    nodes,
    async close() {
      // What it does not hear now, the running server tells it within minutes.
      await keeping.flush().catch(() => undefined);
      await store.close();
    },
  };
}

/** Our own delivery agent, as relay local has it. */
async function localOf(
  config: Config,
  outgoing: Destination | null,
  log: Log,
): Promise<LocalDelivery> {
  const source = await readRules(config.server.rules_dir);
  if ("errors" in source) throw new RulesError(source.errors);
  const tables = aliasTables(source.ok);
  return localDelivery(config, () => tables, outgoing, log);
}

async function digestNow(
  recipients: readonly string[],
  config: Config,
  store: ReturnType<typeof quarantineStore>,
  route: Destination,
): Promise<readonly string[]> {
  if (config.delivery.domains.length === 0)
    return ["digests need [delivery] domains, or nobody knows who is local"];
  const now = new Date();
  const log = { info: () => {}, warn: () => {}, error: () => {}, message: () => {}, flush() {} };
  return digests({
    config,
    quarantine: store,
    // A digest without a name is sent whatever was sent before.
    once: { take: async () => ({ count: 1, allowed: true }) },
    routeTo: () => route,
    onResult: () => {},
    log,
  }).send({
    since: new Date(now.getTime() - 86_400_000),
    until: now,
    now,
    name: null,
    ...(recipients.length > 0 && { only: recipients }),
  });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as containers have.
    return String(process.getuid?.() ?? "?");
  }
}
