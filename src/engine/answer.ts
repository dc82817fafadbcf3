// The story of a message, read top to bottom: receive, judge, apply, report, record, and the replies that the client gets. The
// servers call it; every room of the house is one line here.
import { createHash } from "node:crypto";
import type { TreeReader } from "../content/tree.ts";
import { firstField } from "../mail/header.ts";
import type { Body, Message, Transaction } from "../mail/message.ts";
import type { Reply } from "../mail/reply.ts";
import { handedOnKey, type HandedOn } from "../state/handed-on.ts";
import { collapse, type Ending } from "../verdict/replies.ts";
import { apply, type Applied, type ApplyMeans, type Outcome } from "./apply.ts";
import { judge, type Bench, type JudgeOptions, type Judgement } from "./judge.ts";
import type { Notices } from "./notices.ts";
import { isReply, receive, type Intake, type Surroundings } from "./receive.ts";
import type { Answered, RecordMeans } from "./record.ts";
import { owedReports, report, type Reported, type ReportMeans } from "./report.ts";

export interface AnswerMeans {
  readonly around: Surroundings;
  /** The rules in force; asked once per message. */
  bench(): Bench;
  readonly judging: Omit<JudgeOptions, "signal">;
  applying(judgement: Judgement, deadline: AbortSignal): ApplyMeans;
  readonly reporting: Omit<ReportMeans, "deadline">;
  readonly recording: RecordMeans;
  /** Writes down how the message ended: record.ts for a filter, a plain line for the delivery agent. */
  record(answered: Answered): void;
  /** Tells postmaster and recipients what policy wants told; never waited for here. */
  readonly notices: Notices;
  readonly handedOn: HandedOn;
  /** Milliseconds for one message in this mode. */
  budgetMs(mode: Intake["mode"]): number;
  /** True when the client is one of our own hosts; for the log. */
  isOurs(address: string | null): boolean;
}

/**
 * Answers one message: over LMTP one reply per recipient, else one reply. `gone` = the client left; before our dot that aborts,
 * after it we remember who has the message. `arrived` walked the octets while they came (receive.ts). Rejects only on faults of ours (the server says 451).
 */
export async function answer(
  transaction: Transaction,
  body: Body,
  intake: Intake,
  gone: AbortSignal,
  means: AnswerMeans,
  arrived: TreeReader | null = null,
): Promise<readonly Reply[]> {
  const start = performance.now();
  const deadline = deadlineOf(means.budgetMs(intake.mode), gone);
  try {
    const { signal } = deadline;
    const message = await receive(transaction, body, intake, means.around, arrived, signal);
    if (isReply(message)) return refuseAll(transaction, message);
    const together = transaction.protocol !== "LMTP";
    const bench = means.bench();
    const skip = await skips(message, means.handedOn);
    if (skip.includes(true)) means.recording.metrics.handedOn.inc(skip.filter(Boolean).length);
    const judgement = await judge(message, bench, { ...means.judging, signal: deadline.signal });
    const applying = means.applying(judgement, deadline.signal);
    const applied = await apply(message, judgement.judged, skip, together, applying);
    const { outcomes, reply, reported } = await settle(
      message,
      applied,
      together,
      means,
      deadline.signal,
    );
    if (reply?.kind === "tempfail" || gone.aborted) await remember(message, outcomes, means);
    const answered = {
      message,
      judgement,
      outcomes,
      quarantine: reply?.kind === "tempfail" ? null : applied.quarantine,
      reported,
      rulesVersion: bench.rules.version,
      clientLocal: means.isOurs(message.envelope.client.address),
      elapsedMs: performance.now() - start,
    };
    means.record(answered);
    means.notices.tell(answered, reply?.kind === "tempfail");
    return reply === null ? outcomes.map((outcome) => outcome.reply) : [reply];
  } finally {
    deadline.clear();
  }
}

interface Settled {
  readonly outcomes: readonly Outcome[];
  /** The one reply of plain SMTP; null over LMTP. */
  readonly reply: Reply | null;
  readonly reported: Reported;
}

/** Sends the reports that are owed and fixes what the client hears. */
async function settle(
  message: Message,
  applied: Applied,
  together: boolean,
  means: AnswerMeans,
  deadline: AbortSignal,
): Promise<Settled> {
  const none: Reported = { result: "none", why: "", reply: null, about: [] };
  const { outcomes } = applied;
  const reply = together ? collapse(outcomes as unknown as [Ending, ...Ending[]]) : null;
  if (reply !== null && reply.kind !== "ok") return { outcomes, reply, reported: none };
  const owed = owedReports(outcomes, together);
  const reported = await report(message, owed, { ...means.reporting, deadline });
  told(message, reported, means);
  if (reported.reply === null) return { outcomes, reply, reported };
  const failure = reported.reply;
  const after = outcomes.map((outcome): Outcome =>
    owed.includes(outcome) ? { ...outcome, how: "tempfailed", reply: failure } : outcome,
  );
  return { outcomes: after, reply: together ? failure : null, reported };
}

function told(message: Message, reported: Reported, means: AnswerMeans): void {
  const { log, metrics } = means.recording;
  if (reported.result === "none") return;
  metrics.dsn.inc({ result: reported.result === "no route" ? "failed" : reported.result });
  if (reported.result === "no route") {
    log.error(
      `(${message.envelope.id}) a non-delivery report is owed to the sender and there is no [outgoing] relay to send it through: set [outgoing] relay`,
    );
  } else if (reported.result !== "sent") {
    log.info(
      `dsn: (${message.envelope.id}) non-delivery report ${reported.result}: ${reported.why}`,
    );
  }
}

/** Which recipients already have this message from an earlier try. */
async function skips(message: Message, handedOn: HandedOn): Promise<readonly boolean[]> {
  if (handedOn.empty) return message.envelope.recipients.map(() => false);
  return handedOn.has(await keysOf(message));
}

/** A retry will come: notes who has the message already. A note that cannot be written is logged; the reply stands. */
async function remember(
  message: Message,
  outcomes: readonly Outcome[],
  means: AnswerMeans,
): Promise<void> {
  const has = outcomes.map(
    ({ how, skipped }) => !skipped && (how === "handed-on" || how === "bounced"),
  );
  if (!has.includes(true)) return;
  const keys = await keysOf(message);
  try {
    await means.handedOn.remember(
      keys.filter((_, i) => has[i]),
      Date.now(),
    );
  } catch (error) {
    // The message itself is safe either way: what may follow is a second copy, and the operator is told.
    means.recording.log.error(
      `(${message.envelope.id}) state store cannot be written (${(error as Error).message}): a retry may deliver twice`,
    );
  }
}

async function keysOf(message: Message): Promise<string[]> {
  const { envelope, header, body } = message;
  const hash = createHash("sha256");
  let skip = header.size;
  for await (const chunk of body.lend?.() ?? body.open()) {
    if (chunk.length > skip) hash.update(skip > 0 ? chunk.subarray(skip) : chunk);
    skip = Math.max(0, skip - chunk.length);
  }
  const digest = hash.digest("base64url");
  const messageId = firstField(header, "message-id")?.value ?? "";
  return envelope.recipients.map(({ address }) =>
    handedOnKey(envelope.sender?.raw ?? "", address.raw, messageId, digest),
  );
}

function refuseAll(transaction: Transaction, reply: Reply): readonly Reply[] {
  return transaction.protocol === "LMTP" ? transaction.recipients.map(() => reply) : [reply];
}

/** Aborts at the end of the budget or when the client leaves; to be cleared when the message is answered. */
function deadlineOf(budgetMs: number, gone: AbortSignal): { signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, budgetMs);
  if (gone.aborted) abort();
  else gone.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      gone.removeEventListener("abort", abort);
    },
  };
}
