// Wires `postern greylist` to the configuration: the store that the workers use, DNS, and the settings that they judge by.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { mailauthResolver } from "../clients/dns-mailauth.ts";
import { greylistDns, greylistTimes, greylistWhen } from "../greylisting.ts";
import { configuredDns } from "../lookups.ts";
import { networks } from "../mail/ip.ts";
import { openStore } from "../open-store.ts";
import { processLog } from "../sys/log.ts";
import { greylist } from "./greylist.ts";
import { split } from "./wired.ts";

/** A person waits longer than a mail. */
const PATIENCE_MS = 30_000;

export async function greylistCommand(args: readonly string[]): Promise<number> {
  const { config, rest } = split(args);
  const file = join(config.server.state_dir, "state.db");
  if (!existsSync(file))
    throw new Error(`there is no ${file}: nothing is remembered before postern serve has run`);
  const log = processLog("text");
  const store = await openStore(config, log, PATIENCE_MS);
  const dns = configuredDns(config, null);
  try {
    return await greylist(
      rest,
      {
        out: (text) => void process.stdout.write(text),
        err: (text) => void process.stderr.write(text),
      },
      {
        store: store.greylist,
        times: greylistTimes(config),
        when: greylistWhen(config),
        dns: greylistDns({ dns, resolver: dns === null ? null : mailauthResolver(dns) }),
        internal: networks(config.networks.internal),
        relays: networks(config.networks.relays),
        shared: new Set(config.greylist.shared_hosts.map((domain) => domain.toLowerCase())),
        hostname: config.server.hostname,
        now: () => Date.now(),
      },
    );
  } finally {
    dns?.close();
    await store.close();
    log.flush();
  }
}
