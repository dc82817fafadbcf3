// The virus scanner of one worker, wired: the clamds of the configuration, what they tell log and metrics. Made by rooms.ts.
import type { VirusMeans } from "./checks/virus.ts";
import { clamd } from "./clients/clamd.ts";
import { parseEndpoint } from "./clients/endpoint.ts";
import type { Config } from "./config.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface VirusScanning {
  /** null without endpoints: the check is off. */
  readonly means: VirusMeans | null;
  close(): void;
}

export function virusScanning(config: Config, log: Log, metrics: Metrics): VirusScanning {
  const {
    endpoints = [],
    deadline,
    in_flight: inFlight,
    max_size: maxSize,
    oversize,
  } = config.clamd;
  if (endpoints.length === 0) return { means: null, close() {} };
  const rested = new Set<string>();
  const scanner = clamd({
    endpoints: endpoints.flatMap((text) => parseEndpoint(text) ?? []),
    inFlight,
    onHealth: ({ name }, why) => {
      metrics.clamdHealthy.set({ endpoint: name }, why === null ? 1 : 0);
      if (why !== null) {
        rested.add(name);
        log.warn(`clamd ${name} does not answer (${why}): it is asked again when it answers PING`);
      } else if (rested.delete(name)) log.info(`clamd ${name} answers again`);
    },
    onVersion: ({ name }, { database }) => {
      if (database === null) metrics.virusDatabaseAge.remove({ endpoint: name });
      else {
        const age = Math.max(0, Date.now() - database.at.getTime()) / 1000;
        metrics.virusDatabaseAge.set({ endpoint: name }, age);
      }
    },
  });
  return {
    means: {
      scanner: {
        async scan(body, until, signal) {
          const reply = await scanner.scan(body, until, signal);
          metrics.virusScans.inc({ result: reply.kind });
          return reply;
        },
      },
      deadlineMs: deadline,
      maxSize,
      oversize,
    },
    close: () => scanner.close(),
  };
}
