// What recipients have of the quarantine: release links and digests, over the store, the memory and the ways out that the filter of a
// worker has. Wired here, so that app.ts stays the place where listeners start and nothing else.
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { digests } from "./digests.ts";
import { linksService } from "./links-service.ts";
import type { MailboxWay } from "./engine/kept-mailbox.ts";
import { deliversHere } from "./housekeeping.ts";
import type { LocalDelivery } from "./local-delivery.ts";
import { parseAddress, type Address } from "./mail/address.ts";
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
  readonly local: LocalDelivery;
  /** Where our own mail to this address goes without being judged again; null = nowhere. */
  routeTo(address: Address): Destination | null;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface HeldMail {
  /** A listener with role links, which does not listen yet. */
  listener(entry: ListenerConfig): Listener;
  /** The way to a mailbox of ours that takes kept copies; null for an address that is not ours, which is told once. */
  mailbox(address: string): MailboxWay | null;
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
      return relay === "local" ? local.filter : relays.to(relay);
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
  return { listener, mailbox: mailboxes(rooms), stop: () => daily.stop() };
}

/** By our own delivery agent into the folder, made if need be; where somebody else delivers, to the address as it stands. */
function mailboxes(rooms: HeldMailRooms): HeldMail["mailbox"] {
  const { config, local, log } = rooms;
  const domains = new Set(config.delivery.domains);
  const here = deliversHere(config);
  const foreign = new Set<string>();
  return (name) => {
    const address = parseAddress(name);
    if (address === null || !domains.has(address.domain)) {
      if (!foreign.has(name))
        log.error(
          `policy.rules: keep to=${name}: not in [delivery] domains, so that the quarantine takes the copies`,
        );
      foreign.add(name);
      return null;
    }
    if (here) return { ...splitAddress(address, config), name, destination: local.delivery };
    const destination = rooms.routeTo(address);
    const recipient = { address, params: ["NOTIFY=NEVER"] };
    return destination === null ? null : { destination, recipient, folder: null, name };
  };
}

/** "admin+rejected/malware@" is the folder "rejected/malware" of "admin@". */
function splitAddress(
  address: Address,
  { delivery }: Config,
): Pick<MailboxWay, "recipient" | "folder"> {
  const at = [...address.local].findIndex(
    (character, i) => i > 0 && delivery.recipient_delimiter.includes(character),
  );
  const folder = at < 0 ? "" : address.local.slice(at + 1);
  if (folder === "") return { recipient: { address, params: [] }, folder: null };
  const user = parseAddress(`${address.local.slice(0, at)}@${address.domain}`) ?? address;
  return { recipient: { address: user, params: [] }, folder };
}
