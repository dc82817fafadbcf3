// The facts of a message's log lines as one object for a JSON log: names as in amavis' structured report, values raw
// (the JSON writer escapes). Called by engine/record.ts when the log format is json.
import { actionsOf, gravest, type LogRecord } from "./log-line.ts";

const MAX_RECIPIENTS = 1_100;

/** One flat object per message; absent facts are null. Long lists are cut, never the object's shape. */
export function logJson(record: LogRecord): Readonly<Record<string, unknown>> {
  return {
    type: "message",
    log_id: record.id,
    mail_id: record.mailId,
    mode: record.mode,
    originating: record.origin === "outbound",
    client_ip: record.clientAddress,
    client_port: record.clientPort,
    client_local: record.clientLocal,
    oldest_ip: record.oldestAddress,
    queue_id: record.ident,
    mail_from: record.sender ?? "",
    ccat: gravest(record.recipients),
    actions: actionsOf(record),
    rcpt_num: record.recipients.length,
    recipients: record.recipients.slice(0, MAX_RECIPIENTS).map((r) => ({
      rcpt_to: r.address,
      passed: r.passed,
      ccat: r.ccat,
      action: `${r.action}${r.direction}`,
      queued_as: r.queuedAs,
      smtp_response: r.reply,
    })),
    message_id: record.messageId?.slice(0, 1_000) ?? null,
    size: record.size,
    spam_score: record.score,
    tests: record.tests.slice(0, 500).map(({ symbol, score }) => ({ symbol, score })),
    virusnames: record.viruses.slice(0, 50),
    banning_reason: record.banned,
    bad_header: record.badHeader,
    quarantine: record.quarantine,
    rules_version: record.rulesVersion,
    elapsed_ms: Math.round(record.elapsedMs),
  };
}
