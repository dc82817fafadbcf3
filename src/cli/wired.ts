// Commands over the stores of a configuration: what app.ts wires for the server, wired for one run.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { quarantine as quarantineStore } from "../mailstore/quarantine.ts";
import { parseNextHop } from "../clients/next-hop.ts";
import { smtpDestination, type SmtpDestination } from "../clients/smtp.ts";
import type { Config } from "../config.ts";
import { loadConfig } from "../config.ts";
import { aliasTables } from "../delivery/alias-source.ts";
import { localDelivery } from "../local-delivery.ts";
import type { Destination } from "../mail/destination.ts";
import { readRules } from "../ruleset/source.ts";
import { RulesError } from "../rules-live.ts";
import { mailId } from "../sys/ids.ts";
import { processLog, type Log } from "../sys/log.ts";
import { UsageError } from "./options.ts";
import { quarantine } from "./quarantine.ts";
import { user } from "./user.ts";

/** Takes --config FILE out of the arguments: these commands read the rest themselves. */
export function split(args: readonly string[]): { config: Config; rest: string[] } {
  const rest = [...args];
  let file = process.env["POSTERN_CONFIG"] ?? null;
  for (let i = 0; i < rest.length; i++) {
    const arg = rest[i] ?? "";
    if (arg === "--") break;
    if (arg === "--config" || arg === "-c") {
      file = rest[i + 1] ?? "";
      if (file === "") throw new UsageError("--config needs a FILE");
      rest.splice(i, 2);
      i--;
    } else if (arg.startsWith("--config=")) {
      file = arg.slice("--config=".length);
      rest.splice(i, 1);
      i--;
    }
  }
  return { config: loadConfig(file), rest };
}

/** Releases through our own delivery agent, as relay local does. */
async function localRelease(config: Config, log: Log): Promise<Destination> {
  const source = await readRules(config.server.rules_dir);
  if ("errors" in source) throw new RulesError(source.errors);
  const tables = aliasTables(source.ok);
  return localDelivery(config, () => tables, null, log).delivery;
}

export async function quarantineCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const log = processLog("text");
  const relay = config.outgoing.relay ?? config.next_hop.relay;
  const nextHop = relay === "local" ? null : parseNextHop(relay);
  const destination =
    nextHop === null
      ? await localRelease(config, log)
      : smtpDestination({ nextHop, hostname: config.server.hostname });
  const code = await quarantine(
    rest,
    {
      out: async (data) => {
        if (!process.stdout.write(data))
          await new Promise<void>((resolve) => process.stdout.once("drain", () => resolve()));
      },
      err: (text) => void process.stderr.write(text),
    },
    {
      quarantine: quarantineStore({
        directory: config.quarantine.dir,
        warn: (text) => log.warn(text),
      }),
      destination,
      hostname: config.server.hostname,
      now: () => new Date(),
      newMailId: mailId,
      log: (line) => log.message([line], () => ({})),
      maxAgeMs: config.quarantine.max_age,
      maxBytes: config.quarantine.max_size,
      deadlineMs: config.limits.budget_after_queue,
    },
  );
  if (nextHop !== null) await (destination as SmtpDestination).close();
  log.flush();
  return code;
}

export async function userCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const { delivery, server } = config;
  const virtualFile = [
    join(server.rules_dir, "local.d", "virtual"),
    join(server.rules_dir, "virtual"),
  ].find(existsSync);
  return user(
    rest,
    { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
    {
      usersFile: delivery.users,
      mailRoot: delivery.mail_root,
      virtualFile: virtualFile ?? null,
      domains: new Set(delivery.domains),
      hostname: server.hostname,
    },
  );
}
