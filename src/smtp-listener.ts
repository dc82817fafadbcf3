// One SMTP or LMTP listener as the configuration says it: who may connect, and what is offered. Made by smtp-service.ts.
import { allowedPeers } from "./allowed-peers.ts";
import type { SmtpDestination } from "./clients/smtp.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import type { Destination } from "./mail/destination.ts";
import { smtpServer, SMTP_DEFAULTS, type SmtpHandler, type SmtpListener } from "./servers/smtp.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import type { SpoolRoom } from "./sys/spool.ts";

export interface SmtpListenerMeans {
  readonly config: Config;
  readonly entry: ListenerConfig;
  /** Where its mail goes: what that offers is offered here. */
  readonly destination: Destination;
  readonly handler: SmtpHandler;
  readonly spool: SpoolRoom;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** It does not listen yet. */
export function smtpListener({
  config,
  entry,
  destination,
  handler,
  spool,
  log,
  metrics,
}: SmtpListenerMeans): SmtpListener {
  const { limits, server } = config;
  const name = `${entry.protocol}:${entry.listen}`;
  return smtpServer({
    ...SMTP_DEFAULTS,
    name,
    hostname: server.hostname,
    protocol: entry.protocol === "lmtp" ? "lmtp" : "smtp",
    handler,
    spool,
    allow: allowedPeers(entry.allow, name, metrics),
    onError: (error) =>
      log.error(
        `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      ),
    // Asked at each EHLO: what the next hop offers is known only after the first connection to it.
    get dsn() {
      return entry.mode === "before-queue" || offersDsn(destination);
    },
    parameters: entry.mode === "before-queue" ? "any" : "known",
    lineEnds: limits.bare_newlines,
    maxBytes: limits.message_size,
    maxRecipients: limits.recipients,
    maxConnections: limits.connections,
  });
}

function offersDsn(destination: Destination): boolean {
  return "offersDsn" in destination && (destination as SmtpDestination).offersDsn() === true;
}
