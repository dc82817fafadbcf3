// Greylisting of one worker, wired: settings, store, DNS, log and metrics. Made by rooms.ts; `postern greylist explain` uses the same.
import { spfOf } from "./checks/auth-spf.ts";
import type { GreylistMeans } from "./checks/greylist.ts";
import type { GreylistDns } from "./checks/greylist-subject.ts";
import { fcrdns } from "./clients/dns-fcrdns.ts";
import type { Config } from "./config.ts";
import type { Lookups } from "./lookups.ts";
import { networks } from "./mail/ip.ts";
import type { GreylistTimes } from "./state/greylist-store.ts";
import type { Store } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import type { When } from "./verdict/suspicion.ts";

export function greylistTimes({ greylist }: Config): GreylistTimes {
  return {
    delay: greylist.delay,
    window: greylist.window,
    lifetime: greylist.lifetime,
    autoWhitelist: greylist.auto_whitelist,
    countEvery: greylist.auto_whitelist_every,
  };
}

export function greylistWhen({ greylist: { when } }: Config): When {
  return when === "always" ? when : new Set(when);
}

/** DNS as greylisting asks it; null when DNS is off. */
export function greylistDns({
  dns,
  resolver,
}: Pick<Lookups, "dns" | "resolver">): GreylistDns | null {
  if (dns === null || resolver === null) return null;
  return {
    names: (address, signal) => fcrdns(dns, address, { signal }),
    spf: (client, sender, signal) => spfOf(client, client.helo, sender, resolver, signal),
  };
}

/** null when there is nobody who could be told to come back, or nothing that would make it necessary. */
export function greylisting(
  config: Config,
  store: Pick<Store, "greylist">,
  found: Lookups,
  log: Log,
  metrics: Metrics,
): GreylistMeans | null {
  const when = greylistWhen(config);
  const waiting = new Set(
    config.listener
      .filter((one) => one.protocol === "smtp" || one.protocol === "lmtp")
      .filter((one) => one.role === "filter" && (one.greylist ?? one.mode === "before-queue"))
      .map((one) => `${one.protocol}:${one.listen}`),
  );
  const asked = waiting.size > 0 || config.listener.some(({ protocol }) => protocol === "policy");
  if (!asked || (when !== "always" && when.size === 0)) return null;
  return {
    store: store.greylist,
    times: greylistTimes(config),
    when,
    scoreFrom: config.greylist.score_from,
    scoreTo: config.greylist.score_to,
    shared: new Set(config.greylist.shared_hosts.map((domain) => domain.toLowerCase())),
    dns: greylistDns(found),
    internal: networks(config.networks.internal),
    relays: networks(config.networks.relays),
    hostname: config.server.hostname,
    product: config.headers.product,
    atData: (listener) => waiting.has(listener),
    now: () => Date.now(),
    log: (line) => log.message([`greylist: ${line}`], () => ({ greylist: line })),
    told: (result) => metrics.greylist.inc({ result }),
  };
}
