// Commands over the stores of a configuration: what rooms.ts wires for the server, wired for one run.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { configFile, loadConfig } from "../config.ts";
import { UsageError } from "./options.ts";
import { user } from "./user.ts";

/** Takes --config FILE out of the arguments: these commands read the rest themselves. */
export function split(args: readonly string[]): { config: Config; rest: string[] } {
  const rest = [...args];
  let file: string | null = null;
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
  return { config: loadConfig(configFile(file)), rest };
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
