// The SMTP and LMTP clients of a worker: one pool per next hop, however many listeners hand it mail; their events go to log and
// metrics.
import { parseNextHop } from "./clients/next-hop.ts";
import { smtpDestination, type SmtpDestination, type SmtpEvent } from "./clients/smtp.ts";
import type { Config } from "./config.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface Relays {
  /** The client of a next hop, made at first use. Throws when the text names none. */
  to(nextHop: string): SmtpDestination;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

/** How long the first look at a next hop may take; it only tells early what EHLO can offer. */
const PROBE_MS = 5000;

export function relays(config: Config, log: Log, metrics: Metrics): Relays {
  const known = new Map<string, SmtpDestination>();
  const heard = (event: SmtpEvent): void => {
    metrics.nextHop.inc({ result: event.kind });
    if (event.kind !== "failure" && event.kind !== "unknown") return;
    const after = event.kind === "unknown" ? " after the final dot: it may have the message" : "";
    log.warn(`(${event.id}) next hop ${event.mta} gave no answer${after}: ${event.detail}`);
  };
  const open = (text: string): SmtpDestination => {
    const nextHop = parseNextHop(text);
    if (nextHop === null) throw new Error(`"${text}" is no next hop`);
    const relay = smtpDestination({
      nextHop,
      hostname: config.server.hostname,
      maxConnections: config.limits.next_hop_connections,
      onEvent: heard,
    });
    known.set(text, relay);
    // DSN is offered only when the next hop offers it: ask before the first client does. It may be down; mail will tell.
    void relay.probe(AbortSignal.timeout(PROBE_MS));
    return relay;
  };
  return {
    to: (text) => known.get(text) ?? open(text),
    close: async () => {
      await Promise.all([...known.values()].map((relay) => relay.close()));
    },
  };
}

/**
 * The relay for a release: the one that the message came for, while the configuration still names it; else [outgoing], else
 * [next_hop].
 */
export function releaseRelay(config: Config, nextHop: string | undefined): string {
  const { listener, next_hop: common, outgoing } = config;
  const named = new Set([common.relay, ...listener.flatMap((entry) => entry.next_hop ?? [])]);
  if (nextHop !== undefined && named.has(nextHop)) return nextHop;
  return outgoing.relay ?? common.relay;
}
