// What is left of a message when it is answered: the log lines, the JSON object, the counters. Made from outcomes alone.
import { queuedAs } from "../clients/smtp-relayed.ts";
import { firstField } from "../mail/header.ts";
import type { Message } from "../mail/message.ts";
import { replyLine } from "../mail/reply.ts";
import type { Log } from "../sys/log.ts";
import type { Metrics } from "../sys/metrics.ts";
import type { Disposition, FateName } from "../verdict/policy.ts";
import type { Outcome } from "./apply.ts";
import type { Judgement } from "./judge.ts";
import { logJson } from "./log-json.ts";
import {
  logLines,
  timingLine,
  type Ccat,
  type LogAction,
  type LogDirection,
  type LogRecipient,
  type LogRecord,
} from "./log-line.ts";
import { oldestAddress } from "./receive.ts";
import type { Reported } from "./report.ts";

export interface RecordMeans {
  readonly log: Log;
  readonly metrics: Metrics;
  /** A second line in the text log says how long each check took; JSON always does. */
  readonly timings?: boolean;
}

export interface Answered {
  readonly message: Message;
  readonly judgement: Judgement;
  readonly outcomes: readonly Outcome[];
  readonly quarantine: string | null;
  readonly reported: Reported;
  readonly rulesVersion: string;
  readonly clientLocal: boolean;
  readonly elapsedMs: number;
}

/** True when somebody gave points as spam (a scorer that answered always does): only then X-Spam-* are written and the log says a number. */
export function wasScored({ findings }: Pick<Judgement, "findings">): boolean {
  return findings.some((finding) => finding.category === "spam");
}

export function record(answered: Answered, { log, metrics, timings }: RecordMeans): void {
  const facts = recordOf(answered);
  const lines = logLines(facts);
  if (timings === true) lines.push(timingLine(facts, answered.judgement.timings));
  log.message(lines, () => ({
    ...logJson(facts),
    timings: Object.fromEntries(
      [...answered.judgement.timings].map(([name, ms]) => [name, Math.round(ms * 1000) / 1000]),
    ),
    because: answered.outcomes[0]?.judged.verdict.because ?? null,
  }));
  metrics.messageSeconds.observe(answered.elapsedMs / 1000);
  for (const labels of countedAs(answered)) metrics.messages.inc(labels);
  if (answered.quarantine !== null) {
    const category = answered.outcomes.find(({ judged }) => judged.verdict.quarantine)?.judged
      .verdict.category;
    metrics.quarantined.inc({ category: category ?? "spam" });
  }
}

export interface CountedAs {
  readonly direction: LogDirection;
  readonly category: FateName | "clean";
  readonly disposition: Disposition;
}

/** How a message is counted: once for each different ending of its recipients. */
export function countedAs({ message, outcomes }: Answered): readonly CountedAs[] {
  const counted = new Map<string, CountedAs>();
  for (const { judged, how } of outcomes) {
    const { category, disposition } = judged.verdict;
    const labels: CountedAs = {
      direction: directionOf(message, judged.local),
      category,
      disposition: how === "tempfailed" ? "tempfail" : how === "rejected" ? "reject" : disposition,
    };
    counted.set(`${labels.direction} ${labels.category} ${labels.disposition}`, labels);
  }
  return [...counted.values()];
}

function recordOf({
  message,
  judgement,
  outcomes,
  quarantine,
  reported,
  ...rest
}: Answered): LogRecord {
  const { envelope, header } = message;
  const scored = wasScored(judgement);
  const details = (category: string): string[] => [
    ...new Set(judgement.findings.filter((f) => f.category === category).map((f) => f.detail)),
  ];
  return {
    id: envelope.id,
    mailId: envelope.mailId,
    mode: envelope.mode,
    origin: envelope.origin,
    clientAddress: envelope.client.address,
    clientPort: envelope.client.port,
    oldestAddress: oldestAddress(header),
    clientLocal: rest.clientLocal,
    sender: envelope.sender?.raw ?? null,
    recipients: outcomes.map((outcome) => logRecipient(message, outcome, reported)),
    score: scored ? (outcomes[0]?.judged.verdict.score ?? 0) : null,
    size: message.body.size,
    banned: details("banned")[0] ?? null,
    viruses: details("virus"),
    badHeader: judgement.findings.some((f) => f.category === "malformed") ? 1 : null,
    ident: envelope.client.ident,
    messageId: firstField(header, "message-id")?.value ?? null,
    quarantine,
    elapsedMs: rest.elapsedMs,
    tests: judgement.findings.map(({ symbol, score }) => ({ symbol, score })),
    rulesVersion: rest.rulesVersion,
  };
}

const CCAT_OF: Readonly<Record<FateName | "clean", Ccat>> = {
  virus: "INFECTED",
  banned: "BANNED",
  unchecked: "UNCHECKED",
  spam: "SPAM",
  spammy: "SPAMMY",
  malformed: "BAD-HEADER",
  listed: "OTHER",
  greylisted: "OTHER",
  clean: "CLEAN",
};

function logRecipient(message: Message, outcome: Outcome, reported: Reported): LogRecipient {
  const { judged, reply, how } = outcome;
  const blockedByNextHop = outcome.byNextHop && how !== "handed-on";
  const gravest = judged.verdict.categories[0] ?? "clean";
  return {
    address: judged.recipient.address.raw,
    passed: how === "handed-on",
    ccat: blockedByNextHop
      ? "MTA-BLOCKED"
      : CCAT_OF[how === "handed-on" ? gravest : judged.verdict.category],
    action: actionOf(outcome, reported),
    direction: directionOf(message, judged.local),
    queuedAs: how === "handed-on" ? queuedAs(reply.text) : null,
    reply: replyLine(reply),
  };
}

function actionOf(outcome: Outcome, reported: Reported): LogAction {
  switch (outcome.how) {
    case "handed-on":
      return outcome.judged.verdict.disposition === "tag" ? "RelayedTagged" : "Relayed";
    case "discarded":
      return "Discarded";
    case "bounced":
      return reported.result === "sent" && reported.about.includes(outcome)
        ? "Bounced"
        : "NoBounce";
    case "rejected":
      return "Rejected";
    case "tempfailed":
      return "TempFailed";
  }
}

/** The direction word of one recipient: origin of the message × whether the recipient is ours. */
export function directionOf(message: Message, local: boolean): LogDirection {
  if (message.envelope.origin === "outbound") return local ? "Internal" : "Outbound";
  return local ? "Inbound" : "OpenRelay";
}
