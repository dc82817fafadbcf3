// Wires `postern quarantine` to the configuration: the store, the ways out and the memory that the workers use.
import { userInfo } from "node:os";
import type { Config } from "../config.ts";
import { aliasTables } from "../delivery/alias-source.ts";
import { digests } from "../digests.ts";
import { localDelivery, type LocalDelivery } from "../local-delivery.ts";
import { linkKeyFile } from "../links-service.ts";
import type { Destination } from "../mail/destination.ts";
import { quarantine as quarantineStore } from "../mailstore/quarantine.ts";
import { relays, releaseRelay, type Relays } from "../relays.ts";
import { RulesError } from "../rules-live.ts";
import { readRules } from "../ruleset/source.ts";
import { rotateLinkKey } from "../state/link-key.ts";
import { mailId } from "../sys/ids.ts";
import { processLog, type Log } from "../sys/log.ts";
import { metrics } from "../sys/metrics.ts";
import { quarantine, type QuarantineDeps } from "./quarantine.ts";
import { split } from "./wired.ts";

export async function quarantineCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const log = processLog("text");
  const out = relays(config, log, metrics());
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
      await depsOf(config, out, log),
    );
  } finally {
    await out.close();
    log.flush();
  }
}

async function depsOf(config: Config, out: Relays, log: Log): Promise<QuarantineDeps> {
  const store = quarantineStore({
    directory: config.quarantine.dir,
    warn: (text) => log.warn(text),
  });
  const outgoing = config.outgoing.relay === null ? null : out.to(config.outgoing.relay);
  const local = await localOf(config, outgoing, log);
  return {
    quarantine: store,
    destination: (nextHop) => {
      const relay = releaseRelay(config, nextHop);
      return relay === "local" ? local.filter : out.to(relay);
    },
    by: `command line (${process.env["SUDO_USER"] ?? userName()})`,
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
