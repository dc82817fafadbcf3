// The release links of a worker: their listener over the store, the memory and the ways out that the filter has too. Wired here,
// so that rooms.ts stays the place where things are made and nothing else.
import { allowedPeers } from "./allowed-peers.ts";
import { join } from "node:path";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { linkedRelease, type LinkedMeans } from "./engine/linked-release.ts";
import type { Quarantine } from "./mailstore/quarantine.ts";
import { linksServer } from "./servers/links.ts";
import type { Listener } from "./servers/listener.ts";
import { linkKey } from "./state/link-key.ts";
import { mailId } from "./sys/ids.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface LinksRooms {
  readonly config: Config;
  readonly quarantine: Quarantine;
  readonly once: LinkedMeans["once"];
  readonly destination: LinkedMeans["destination"];
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Where the key of release links lies. */
export function linkKeyFile(config: Config): string {
  return join(config.server.state_dir, "link.key");
}

/** Whom users and recipients of notices ask. */
export function postmasterOf({ delivery, server }: Config): string {
  return `postmaster@${delivery.domains[0] ?? server.hostname}`;
}

/** Makes listeners with role links. They do not listen yet. */
export function linksService(rooms: LinksRooms): (entry: ListenerConfig) => Listener {
  const { config, quarantine, once, destination, log, metrics } = rooms;
  const links = linkedRelease({
    quarantine,
    once,
    destination,
    key: () => linkKey(linkKeyFile(config)),
    hostname: config.server.hostname,
    now: () => new Date(),
    newMailId: mailId,
    log: (line) => log.message([line], () => ({ text: line })),
    deadlineMs: config.limits.budget_before_queue,
    categories: config.links.categories,
    warn: (text) => log.warn(text),
  });
  return (entry) => {
    const name = `links:${entry.listen}`;
    return linksServer({
      links,
      postmaster: postmasterOf(config),
      allow: allowedPeers(entry.allow, name, metrics),
      perMinute: config.links.per_minute,
      onRequest: (result) => metrics.linkRequests.inc({ result }),
      onError: (error) =>
        log.warn(`${name}: ${error instanceof Error ? error.message : String(error)}`),
    });
  };
}
