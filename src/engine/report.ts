// Non-delivery reports of our own (RFC 3464): for recipients whose fate is bounce, and for refusals that the 250 of plain SMTP
// would hide. Goes out before the client's reply, so that a report that cannot be sent keeps the message at the client.
import { isProven } from "../checks/aligned.ts";
import { provenBy } from "../checks/auth-results.ts";
import { bulkReason } from "../mail/bulk.ts";
import type { Destination } from "../mail/destination.ts";
import { composeDsn, type Report } from "../mail/dsn.ts";
import { dsnSuppressed, type SenderStanding } from "../mail/dsn-facts.ts";
import { UNKNOWN_CLIENT, type Body, type Message } from "../mail/message.ts";
import { tempfail, type Reply } from "../mail/reply.ts";
import type { Address } from "../mail/address.ts";
import type { Finding } from "../verdict/finding.ts";
import { reasonOf } from "../verdict/replies.ts";
import type { Outcome } from "./apply.ts";

export interface ReportMeans {
  readonly hostname: string;
  /** Where mail to this address can be sent without being judged again; null = nowhere. */
  routeTo(address: Address): Destination | null;
  readonly deadline: AbortSignal;
  /** Score from which spam is not reported. */
  readonly dsnCutoff: number;
}

export interface Reported {
  readonly result: "none" | "sent" | "suppressed" | "failed" | "no route";
  /** Why not, for the log; "" when sent. */
  readonly why: string;
  /** The 4xx when the report could not be sent for now; else null. */
  readonly reply: Reply | null;
  /** Which outcomes were reported on. */
  readonly about: readonly Outcome[];
}

/** Sends one report about all `owed` outcomes that may be reported. Never rejects. */
export async function report(
  message: Message,
  owed: readonly Outcome[],
  means: ReportMeans,
): Promise<Reported> {
  if (owed.length === 0) return { result: "none", why: "", reply: null, about: [] };
  const bulk = bulkReason(message.header, message.envelope.sender);
  let why = "";
  const about = owed.filter((outcome) => {
    const reason = suppressed(message, outcome, bulk, means.dsnCutoff);
    why ||= reason ?? "";
    return reason === null;
  });
  const { sender, id } = message.envelope;
  if (about.length === 0 || sender === null)
    return { result: "suppressed", why, reply: null, about: [] };
  const route = means.routeTo(sender);
  if (route === null) return { result: "no route", why: "no [outgoing] relay", reply: null, about };
  const body = oneBuffer(await composeDsn(reportOf(message, about, means)));
  const reply = await send(route, message, sender, body, means.deadline);
  if (reply.kind === "ok") return { result: "sent", why: "", reply: null, about };
  // A report that is refused for good has nowhere to go: the next hop does not know the sender, and nobody else can help.
  if (reply.kind === "reject")
    return { result: "suppressed", why: `refused: ${reply.text}`, reply: null, about };
  return {
    result: "failed",
    why: reply.text,
    reply: tempfail(451, "4.5.0", `id=${id} - the non-delivery report could not be sent yet`),
    about,
  };
}

/** Which outcomes need a report: bounces, and over plain SMTP refusals behind a 250 (spam and virus are kept instead). */
export function owedReports(outcomes: readonly Outcome[], hidden: boolean): readonly Outcome[] {
  return outcomes.filter((outcome) => {
    if (outcome.skipped) return false;
    if (outcome.how === "bounced") return true;
    if (!hidden || outcome.how !== "rejected") return false;
    return (
      outcome.byNextHop || !["virus", "spam", "spammy"].includes(outcome.judged.verdict.category)
    );
  });
}

function kindOf(outcome: Outcome): Report["kind"] {
  const { category } = outcome.judged.verdict;
  if (outcome.byNextHop) return "relay";
  if (category === "spammy") return "spam";
  return category === "clean" || category === "greylisted" ? "relay" : category;
}

function suppressed(
  message: Message,
  outcome: Outcome,
  bulk: string | null,
  cutoff: number,
): string | null {
  const { verdict, recipient } = outcome.judged;
  return dsnSuppressed({
    sender: message.envelope.sender,
    recipient,
    kind: kindOf(outcome),
    bulk,
    score: verdict.score,
    dsnCutoff: cutoff,
    standing: standingOf(message, verdict.findings),
    senderDenied: verdict.findings.some((f) => f.symbol === "ACCESS_DENY"),
    selfTest: verdict.findings.some((f) => f.symbol === "SELFTEST_EICAR"),
  });
}

const REFUTED = new Set(["SPF_FAIL", "DMARC_FAIL_REJECT", "DMARC_FAIL_QUARANTINE"]);

/** DMARC speaks of From: it refutes the envelope sender where SPF and DKIM prove nothing for it. */
function standingOf({ envelope }: Message, findings: readonly Finding[]): SenderStanding {
  if (envelope.origin === "outbound") return "own";
  const proven = provenBy(findings);
  if (isProven(envelope.sender, "spf", proven) || isProven(envelope.sender, "dkim", proven))
    return "proven";
  const refuted = findings.some(({ check, symbol }) => check === "auth" && REFUTED.has(symbol));
  return refuted ? "forged" : "unproven";
}

function reportOf(message: Message, about: readonly Outcome[], means: ReportMeans): Report {
  const { envelope, header } = message;
  const [first] = about;
  const what =
    first === undefined || first.byNextHop
      ? ""
      : reasonOf(first.judged.verdict).replace(/^[A-Z]+: /, "");
  return {
    hostname: means.hostname,
    id: envelope.id,
    mailId: envelope.mailId,
    sender: envelope.sender ?? { raw: "", local: "", domain: "" },
    senderParams: envelope.senderParams,
    kind: first === undefined ? "relay" : kindOf(first),
    what,
    recipients: about.map(({ judged, reply }) => ({
      recipient: judged.recipient,
      // A bounce was answered 250 to the MTA; to the sender it is a refusal.
      reply:
        reply.kind === "ok"
          ? { kind: "reject", code: 554, status: "5.7.0", text: reasonOf(judged.verdict) }
          : reply,
      remoteMta: null,
    })),
    header,
    arrivedAt: envelope.startedAt,
    now: new Date(),
  };
}

async function send(
  route: Destination,
  message: Message,
  to: Address,
  body: Body,
  deadline: AbortSignal,
): Promise<Reply> {
  const { id, mailId, senderParams } = message.envelope;
  const utf8 = senderParams.some((param) => param.toUpperCase() === "SMTPUTF8");
  const prepared = await route.prepare(
    {
      id,
      mailId,
      sender: null,
      senderParams: utf8 ? ["SMTPUTF8"] : [],
      client: UNKNOWN_CLIENT,
      xforward: new Map(),
      body,
      folder: null,
      tainted: false,
    },
    [{ address: to, params: [] }],
    deadline,
  );
  const [reply] = await prepared.commit();
  return reply ?? tempfail(451, "4.3.0", "no reply");
}

/** Octets in memory as a Body. */
export function oneBuffer(bytes: Buffer): Body {
  return {
    size: bytes.length,
    bytes: [bytes],
    async *open() {
      yield bytes;
    },
  };
}
