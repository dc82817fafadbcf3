// The spamd service of a worker: its listeners over the rooms that the filter has too (rules, spool, the engine that scores). Wired here,
// so that rooms.ts stays the place where things are made and nothing else.
import { allowedPeers } from "./allowed-peers.ts";
import { outsideFor } from "./checks/spam-engine.ts";
import { firstOctets } from "./checks/spam-copy.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { answerRspam, type AnswerRspamMeans } from "./engine/answer-rspam.ts";
import { isLocal } from "./judging.ts";
import { MAX_LESSON, type Failed, type Reading } from "./learning.ts";
import type { Scoring } from "./scoring.ts";
import type { Listener } from "./servers/listener.ts";
import {
  spamdServer,
  SPAMD_DEFAULTS,
  type SpamdScoreRequest,
  type SpamdServerOptions,
} from "./servers/spamd.ts";
import type { Place } from "./sys/fair-gate.ts";
import { gate } from "./sys/gate.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import type { SpoolRoom } from "./sys/spool.ts";
import type { Spool } from "./sys/spooled.ts";

export interface SpamdRooms {
  readonly config: Config;
  /** Without an engine there are no rules. */
  readonly scoring: Pick<Scoring, "engine" | "memory" | "dns" | "teacher">;
  /** For Exim's variant=rspamd: as the filter judges. */
  readonly judging: Pick<AnswerRspamMeans, "around" | "bench"> & {
    readonly judging: Omit<AnswerRspamMeans["judging"], "isLocal">;
  };
  readonly spool: SpoolRoom;
  /** A place among the messages in flight. */
  readonly admit: (octets: number) => Promise<Place | null>;
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
    const count = (method: string, result: string): void =>
      metrics.spamdAnswers.inc({ method, result });
    return spamdServer({
      ...SPAMD_DEFAULTS,
      maxBytes: config.limits.message_size,
      maxConnections: config.limits.connections,
      spool,
      allow: allowedPeers(entry.allow, name, metrics),
      onError: (error) =>
        log.warn(`${name}: ${error instanceof Error ? error.message : String(error)}`),
      admit: rooms.admit,
      score: async (octets, request) => {
        const said = await scored(octets, { ...request, from: name }, rooms);
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
      tell: entry.allow_tell ? telling(rooms) : null,
    });
  };
}

/** What TELL does: learns, and forgets. Reporting to others ("remote") is not done. null: there is nothing to teach. */
function telling({ scoring: { teacher } }: SpamdRooms): SpamdServerOptions["tell"] {
  if (teacher === null) return null;
  const atOnce = gate(LESSONS_AT_ONCE);
  const read = async (octets: Spool): Promise<Reading | Failed> => {
    if (octets.size > MAX_LESSON) return { failed: "too large" };
    const leave = await atOnce.enter(LESSON_PATIENCE_MS);
    if (leave === null) return { failed: "too many at once" };
    try {
      const whole = Buffer.allocUnsafeSlow(octets.size);
      let at = 0;
      for await (const piece of octets.lend()) at += piece.copy(whole, at);
      return await teacher().read(whole);
    } finally {
      leave();
    }
  };
  return async (octets, { tell }) => {
    const did = { set: [] as string[], removed: [] as string[] };
    const reading = await read(octets);
    if ("failed" in reading) return did;
    if (tell.setLocal) {
      const label = tell.messageClass === "spam" ? "spam" : "ham";
      const result = await teacher().teach(reading, { label, mailbox: "" });
      if (result === "learned" || result === "relearned") did.set.push("local");
    }
    if (tell.removeLocal && (await teacher().forget(reading)) !== null) did.removed.push("local");
    return did;
  };
}

/** Each is in memory three times over while it is read. */
const LESSONS_AT_ONCE = 2;
const LESSON_PATIENCE_MS = 60_000;

type Said = Awaited<ReturnType<SpamdServerOptions["score"]>>;

async function scored(
  octets: Spool,
  { also, remote, from }: SpamdScoreRequest & { readonly from: string },
  { config, scoring: { engine, memory, dns } }: SpamdRooms,
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
    from,
    ...(await outsideFor({ bayes: memory, dns })),
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
