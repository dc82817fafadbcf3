// What recipients have of the quarantine: release links and digests, over the store, the memory and the ways out that the filter of a
// worker has. Wired here, so that app.ts stays the place where listeners start and nothing else.
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { digests } from "./digests.ts";
import { linksService } from "./links-service.ts";
import type { Address } from "./mail/address.ts";
import type { Destination } from "./mail/destination.ts";
import type { Quarantine } from "./mailstore/quarantine.ts";
import { releaseRelay, type Relays } from "./relays.ts";
import type { Listener } from "./servers/listener.ts";
import type { Store } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface HeldMailRooms {
  readonly config: Config;
  readonly quarantine: Quarantine;
  readonly store: Pick<Store, "rates">;
  readonly relays: Relays;
  readonly local: Destination;
  /** Where our own mail to this address goes without being judged again; null = nowhere. */
  routeTo(address: Address): Destination | null;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface HeldMail {
  /** A listener with role links, which does not listen yet. */
  listener(entry: ListenerConfig): Listener;
  /** Ends what is being sent. */
  stop(): Promise<void>;
}

/** Digests start here. */
export function heldMail(rooms: HeldMailRooms): HeldMail {
  const { config, quarantine, store, relays, local, log, metrics } = rooms;
  const listener = linksService({
    config,
    quarantine,
    once: store.rates,
    destination: (nextHop) => {
      const relay = releaseRelay(config, nextHop);
      return relay === "local" ? local : relays.to(relay);
    },
    log,
    metrics,
  });
  const daily = digests({
    config,
    quarantine,
    once: store.rates,
    routeTo: (address) => rooms.routeTo(address),
    onResult: (result) => metrics.notices.inc({ kind: "digest", result }),
    log,
  });
  daily.start();
  return { listener, stop: () => daily.stop() };
}
