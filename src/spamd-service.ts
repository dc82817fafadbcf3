// The spamd service of a worker: its listeners over the rooms that the filter has too (rules, spool, the engine that scores). Wired here,
// so that app.ts stays the place where listeners start and nothing else.
import { firstOctets } from "./checks/spam-copy.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { answerRspam, type AnswerRspamMeans } from "./engine/answer-rspam.ts";
import { isLocal } from "./judging.ts";
import type { LiveEngine } from "./live-engine.ts";
import { networks } from "./mail/ip.ts";
import type { Listener } from "./servers/listener.ts";
import {
  spamdServer,
  SPAMD_DEFAULTS,
  type SpamdScoreRequest,
  type SpamdServerOptions,
} from "./servers/spamd.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import type { SpoolRoom } from "./sys/spool.ts";
import type { Spool } from "./sys/spooled.ts";

export interface SpamdRooms {
  readonly config: Config;
  /** null: there are no rules. */
  readonly engine: LiveEngine | null;
  /** For Exim's variant=rspamd: as the filter judges. */
  readonly judging: Pick<AnswerRspamMeans, "around" | "bench"> & {
    readonly judging: Omit<AnswerRspamMeans["judging"], "isLocal">;
  };
  /** What learns from TELL; null: nothing does. */
  readonly learn: SpamdServerOptions["tell"];
  readonly spool: SpoolRoom;
  /** A place among the messages in flight. */
  readonly admit: () => Promise<(() => void) | null>;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Makes spamd listeners. They do not listen yet. */
export function spamdService(rooms: SpamdRooms): (entry: ListenerConfig) => Listener {
  const { config, log, metrics, spool } = rooms;
  const domain = (config.delivery.domains[0] ?? config.server.hostname).toLowerCase();
  const { around, bench, judging } = rooms.judging;
  const means: AnswerRspamMeans = {
    around,
    bench,
    judging: { ...judging, isLocal: isLocal(config) },
    recipient: { raw: `spamd-client@${domain}`, local: "spamd-client", domain },
    budgetMs: config.limits.budget_before_queue,
  };
  return (entry) => {
    const name = `spamd:${entry.listen}`;
    const allowed = networks(entry.allow ?? ["127.0.0.0/8", "::1"]);
    const count = (method: string, result: string): void =>
      metrics.spamdAnswers.inc({ method, result });
    return spamdServer({
      ...SPAMD_DEFAULTS,
      maxBytes: config.limits.message_size,
      maxConnections: config.limits.connections,
      spool,
      allow: (peer) => {
        const inside = allowed.has(peer);
        metrics.sessions.inc({ listener: name, result: inside ? "accepted" : "refused" });
        return inside;
      },
      onError: (error) =>
        log.warn(`${name}: ${error instanceof Error ? error.message : String(error)}`),
      admit: rooms.admit,
      score: async (octets, request) => {
        const said = await scored(octets, request, rooms);
        const result = "failed" in said ? "failed" : said.spam ? "spam" : "ham";
        count("scored", result);
        if ("failed" in said) log.warn(`${name}: no score: ${said.failed}`);
        return said;
      },
      judge: async (octets, facts) => {
        const said = await answerRspam(octets, facts, name, means);
        count("rspamd", "failed" in said ? "failed" : said.spam ? "spam" : "ham");
        return said;
      },
      tell: entry.allow_tell ? rooms.learn : null,
    });
  };
}

type Said = Awaited<ReturnType<SpamdServerOptions["score"]>>;

async function scored(
  octets: Spool,
  { also, remote }: SpamdScoreRequest,
  { config, engine }: SpamdRooms,
): Promise<Said> {
  if (engine === null) return { failed: "there are no rules", late: false };
  const { max_size: max, deadline } = config.spam;
  const over = octets.size > max;
  // A client that is refused hands the message on as it came; one that is cut short would lose the rest.
  if (over && also === "mail") return { failed: `more than ${max} octets`, late: false };
  const body = over ? await firstOctets(octets, max) : octets;
  const pieces: Buffer[] = [];
  for await (const piece of body.bytes ?? body.open()) pieces.push(Buffer.from(piece));
  const wanted = {
    now: Date.now(),
    ...(also !== null && { also }),
    remote: { name: remote === "127.0.0.1" ? "localhost" : remote, address: remote },
  };
  const answer = await engine.current.score(
    pieces,
    wanted,
    AbortSignal.timeout(deadline * 2 + 1000),
  );
  if ("failed" in answer) return { failed: answer.failed, late: false };
  const { total, required, names, report, mail, partial } = answer;
  if (also !== null && report === null && mail === null && partial !== null)
    return { failed: `${deadline / 1000} second timeout`, late: true };
  return {
    spam: total >= required,
    total,
    required,
    rules: names,
    report,
    mail,
  };
}
