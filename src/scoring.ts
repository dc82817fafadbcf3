// The spam scorer of one worker, wired: the client over the configured spamds, and what it tells metrics and log. Made by app.ts and
// by `postern scan`.
import type { SpamMeans } from "./checks/spam.ts";
import { parseEndpoint, type Endpoint } from "./clients/endpoint.ts";
import { spamd } from "./clients/spamd.ts";
import type { Config } from "./config.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

/** The configured spamds; none: scoring is off. */
export function spamdEndpoints(config: Config): readonly Endpoint[] {
  return (config.spamd.endpoints ?? []).flatMap((text) => parseEndpoint(text) ?? []);
}

/** What the spam check needs; null when no endpoint is configured. Without metrics and log (a command) nobody is told. */
export function scoring(
  config: Config,
  told: { readonly log: Log; readonly metrics: Metrics } | null,
): SpamMeans | null {
  const endpoints = spamdEndpoints(config);
  if (endpoints.length === 0) return null;
  const { deadline, in_flight: inFlight, max_size: maxSize, oversize, user } = config.spamd;
  for (const { name } of endpoints) told?.metrics.spamdHealthy.set({ endpoint: name }, 1);
  return {
    spamd: spamd({
      endpoints,
      deadlineMs: deadline,
      inFlight,
      onResult: (result) => told?.metrics.spamScorings.inc({ result }),
      onHealth(endpoint, why) {
        told?.metrics.spamdHealthy.set({ endpoint: endpoint.name }, why === null ? 1 : 0);
        if (why === null) told?.log.info(`spamd ${endpoint.name} answers again`);
        else told?.log.warn(`spamd ${endpoint.name} is left alone: ${why}`);
      },
    }),
    maxSize,
    oversize,
    user,
    hostname: config.server.hostname,
    product: config.headers.product,
    mtaNames: new Set(config.networks.mta_names.map((name) => name.toLowerCase())),
  };
}
