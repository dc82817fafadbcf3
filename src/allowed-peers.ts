// Who may connect to a listener: the peers in its `allow`, by default this host's own, each look counted. One for every protocol.
import { networks } from "./mail/ip.ts";
import type { Metrics } from "./sys/metrics.ts";

/** `name` labels the metric. Asked once per connection, with the peer's address, "" for a unix socket. */
export function allowedPeers(
  allow: readonly string[] | undefined,
  name: string,
  metrics: Metrics,
): (peer: string) => boolean {
  const allowed = networks(allow ?? ["127.0.0.0/8", "::1"]);
  return (peer) => {
    const inside = allowed.has(peer);
    metrics.sessions.inc({ listener: name, result: inside ? "accepted" : "refused" });
    return inside;
  };
}
