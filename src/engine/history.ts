// One history row of an answered message: everything bounded, so that no message makes a row of more than some ten kilobytes.
// Called after the reply is known; the tree is taken only when a check has read it.
import { replyLine } from "../mail/reply.ts";
import type { Part } from "../mail/message.ts";
import type { HistoryPart, HistoryRecipient, HistoryRow } from "../state/history-row.ts";
import type { Finding } from "../verdict/finding.ts";
import type { Outcome } from "./apply.ts";
import type { Answered } from "./record.ts";

const MAX_RECIPIENTS = 50;
const MAX_FIELDS = 100;
const MAX_PARTS = 100;
const MAX_FINDINGS = 100;
const MAX_NAMES = 4;
/** UTF-16 units of a value that came by mail. */
const MAX_TEXT = 300;

/** Fields whose values are kept: who says to have written it, and what finds it again. */
const VALUES = new Set(["from", "sender", "to", "cc", "reply-to", "subject", "date", "message-id"]);
const READERS = ["banned", "malformed", "selftest", "spam", "virus"];

/** Null when the tree cannot be read any more. */
export async function historyRow(answered: Answered, now: number): Promise<HistoryRow> {
  const { message, judgement, outcomes } = answered;
  const { envelope } = message;
  const wasRead = READERS.some((name) => judgement.timings.has(name));
  const tree = wasRead ? await message.tree().catch(() => null) : null;
  const { address, name, helo, ident } = envelope.client;
  return {
    v: 1,
    time: now,
    id: envelope.id,
    mailId: envelope.mailId,
    listener: envelope.listener,
    mode: envelope.mode,
    origin: envelope.origin,
    client: { address, name: cut(name), helo: cut(helo), ident: cut(ident) },
    sender: cut(envelope.sender?.raw ?? null),
    size: message.body.size,
    recipients: outcomes.slice(0, MAX_RECIPIENTS).map(recipientOf),
    moreRecipients: Math.max(0, outcomes.length - MAX_RECIPIENTS),
    header: message.header.fields
      .slice(0, MAX_FIELDS)
      .map(
        (field) =>
          [
            cut(field.name),
            VALUES.has(field.name.toLowerCase()) ? cut(field.value) : null,
          ] as const,
      ),
    parts: tree === null ? null : partsOf(tree.parts),
    moreParts: Math.max(0, (tree?.parts.length ?? 0) - MAX_PARTS),
    findings: judgement.findings.slice(0, MAX_FINDINGS).map(findingOf),
    moreFindings: Math.max(0, judgement.findings.length - MAX_FINDINGS),
    checks: Object.fromEntries(
      [...judgement.timings].map(([check, ms]) => [check, Math.round(ms * 10) / 10]),
    ),
    rules: answered.rulesVersion,
    ms: Math.round(answered.elapsedMs),
    quarantine: answered.quarantine,
  };
}

function recipientOf({ judged, how, reply }: Outcome): HistoryRecipient {
  const { verdict, local, recipient } = judged;
  return {
    address: cut(recipient.address.raw),
    local,
    disposition: verdict.disposition,
    quarantine: verdict.quarantine,
    folder: verdict.folder,
    category: verdict.category,
    score: verdict.score,
    because: verdict.because?.symbol ?? null,
    rule: verdict.rule,
    how,
    reply: cut(replyLine(reply)),
  };
}

function partsOf(parts: readonly Part[]): HistoryPart[] {
  const kept = parts.slice(0, MAX_PARTS);
  const places = new Map(kept.map((part, n) => [part, n]));
  return kept.map((part) => ({
    path: part.path,
    parent: part.parent === null ? -1 : (places.get(part.parent) ?? 0),
    type: cut(part.type),
    names: part.names.slice(0, MAX_NAMES).map((name) => cut(name)),
    kinds: part.kinds,
    size: part.size,
    sha256: part.sha256,
    ...(part.encrypted && { encrypted: true }),
    ...(part.attributes.length > 0 && { attributes: part.attributes }),
    ...(part.defects.length > 0 && {
      defects: [...new Set(part.defects.map(({ kind }) => kind))].slice(0, 10),
    }),
  }));
}

function findingOf({ recipient, ...finding }: Finding): HistoryRow["findings"][number] {
  return {
    ...finding,
    detail: cut(finding.detail),
    ...(recipient !== undefined && { recipient: cut(recipient.raw) }),
  };
}

function cut(text: string): string;
function cut(text: string | null): string | null;
function cut(text: string | null): string | null {
  return text !== null && text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}
