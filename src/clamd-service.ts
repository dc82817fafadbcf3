// The clamd service of a worker: its listeners over the rooms that the filter has too (rules, spool, scanner). Wired here, so that
// rooms.ts stays the place where things are made and nothing else.
import { allowedPeers } from "./allowed-peers.ts";
import { streamChecksOf, type MessageMeans } from "./checks/index.ts";
import type { ScanReply } from "./clients/clamd-reply.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { answerScan, type AnswerScanMeans } from "./engine/answer-scan.ts";
import type { Bench } from "./engine/judge.ts";
import type { Surroundings } from "./engine/receive.ts";
import type { RuleSet } from "./ruleset/compile.ts";
import { clamdServer, CLAMD_DEFAULTS } from "./servers/clamd.ts";
import type { Listener } from "./servers/listener.ts";
import type { Place } from "./sys/fair-gate.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import type { SpoolRoom } from "./sys/spool.ts";

export interface ClamdRooms {
  readonly config: Config;
  /** The rules in force. */
  readonly rules: () => RuleSet;
  readonly means: MessageMeans;
  readonly around: Surroundings;
  readonly judging: AnswerScanMeans["judging"];
  readonly spool: SpoolRoom;
  /** A place among the messages in flight: a stream is one. */
  readonly admit: (octets: number) => Promise<Place | null>;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Makes clamd listeners. They do not listen yet. */
export function clamdService(rooms: ClamdRooms): (entry: ListenerConfig) => Listener {
  const { config, log, metrics, spool } = rooms;
  const means: AnswerScanMeans = {
    around: rooms.around,
    bench: benches(rooms),
    judging: rooms.judging,
    recipient: recipientOf(config),
    budgetMs: config.limits.budget_before_queue,
  };
  return (entry) => {
    const name = `clamd:${entry.listen}`;
    return clamdServer({
      ...CLAMD_DEFAULTS,
      maxBytes: config.limits.message_size,
      maxConnections: config.limits.connections,
      spool,
      allow: allowedPeers(entry.allow, name, metrics),
      onError: (error) =>
        log.warn(`${name}: ${error instanceof Error ? error.message : String(error)}`),
      admit: rooms.admit,
      scan: async (octets) => {
        const reply = await answerScan(octets, name, means);
        metrics.clamdAnswers.inc({ result: reply.kind });
        if (reply.kind !== "clean") log.info(`${name}: ${told(reply)}, ${octets.size} octets`);
        return reply;
      },
    });
  };
}

const told = (reply: ScanReply): string =>
  reply.kind === "infected" ? `${reply.name} FOUND` : reply.kind === "error" ? reply.why : "OK";

/** The checks are made anew when the rules are. */
function benches({ rules, means }: ClamdRooms): () => Bench {
  let bench: Bench | null = null;
  return () => {
    const now = rules();
    if (bench?.rules !== now) bench = { rules: now, checks: streamChecksOf(now, means) };
    return bench;
  };
}

function recipientOf(config: Config): AnswerScanMeans["recipient"] {
  const domain = (config.delivery.domains[0] ?? config.server.hostname).toLowerCase();
  return { raw: `clamd-client@${domain}`, local: "clamd-client", domain };
}
