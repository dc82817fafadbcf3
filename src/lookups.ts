// DNS of one worker, wired: the resolver, the DNS lists with their health, what both tell metrics and log. Made by rooms.ts and, to
// look at the lists once, by `postern doctor`.
import type { DnsxlMeans } from "./checks/dnsxl.ts";
import { zoneWatch, type ZoneWatch } from "./checks/dnsxl-zones.ts";
import { dnsResolver, type Dns } from "./clients/dns.ts";
import { mailauthResolver, type ClassicResolver } from "./clients/dns-mailauth.ts";
import { dnsServers } from "./clients/dns-servers.ts";
import type { Config } from "./config.ts";
import { networks } from "./mail/ip.ts";
import type { RuleSet } from "./ruleset/compile.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface Lookups {
  /** null with servers = "off": whoever needs DNS is off. */
  readonly dns: Dns | null;
  /** The same in mailauth's shape. */
  readonly resolver: ClassicResolver | null;
  readonly dnsxl: DnsxlMeans | null;
  /** Watches the zones that these rules name. */
  use(rules: RuleSet): void;
  close(): void;
}

/** The resolver of the configuration; null when DNS is off. */
export function configuredDns(config: Config, metrics: Metrics | null): Dns | null {
  const { servers, budget, timeout, retries, in_flight: inFlight } = config.dns;
  if (servers === "off") return null;
  return dnsResolver({
    servers: dnsServers(servers === "system" ? [] : servers),
    budgetMs: budget,
    timeoutMs: timeout,
    retries,
    inFlight,
    onAnswer: (status) => metrics?.dnsQuestions.inc({ status }),
  });
}

export function lookups(config: Config, log: Log, metrics: Metrics): Lookups {
  const dns = configuredDns(config, metrics);
  if (dns === null) return { dns, resolver: null, dnsxl: null, use() {}, close() {} };
  const zones = watch(dns, log, metrics);
  return {
    dns,
    resolver: mailauthResolver(dns),
    dnsxl: {
      dns,
      zones,
      budgetMs: config.dns.budget,
      internal: networks(config.networks.internal),
      relays: networks(config.networks.relays),
      onResult: (zone, result) => metrics.dnsxl.inc({ zone, result }),
    },
    use: (rules) => zones.use(rules.dnsxl.zones),
    close() {
      zones.close();
      dns.close();
    },
  };
}

function watch(dns: Dns, log: Log, metrics: Metrics): ZoneWatch {
  return zoneWatch(dns, {
    tested: (zone, trouble) => metrics.dnsxlHealthy.set({ zone }, trouble === null ? 1 : 0),
    gone: (zone) => metrics.dnsxlHealthy.remove({ zone }),
    warn: (text) => log.warn(text),
    info: (text) => log.info(text),
  });
}
