// What a filter listener adds to a verdict: the header edits of one recipient, the quarantine copy of one message, and the
// address extension towards an MTA. Built once by smtp-service.ts; apply.ts asks it.
import { rblWarnings } from "../checks/dnsxl.ts";
import { GREYLIST_DELAYED } from "../checks/greylist-delay.ts";
import { autolearnOf } from "../checks/spam.ts";
import { VIRUS_SCANNED } from "../checks/virus.ts";
import { firstField } from "../mail/header.ts";
import type { Message, Recipient } from "../mail/message.ts";
import type { Reply } from "../mail/reply.ts";
import { encodeXtext } from "../mail/xtext.ts";
import { receivedLine, type ReceivedFacts } from "../mail/received-line.ts";
import type { KeptRecipient } from "../mailstore/quarantine-entry.ts";
import type { QuarantineInput } from "../mailstore/quarantine-record.ts";
import type { Quarantine } from "../mailstore/quarantine.ts";
import { alertFields, headerEdits, type Edit } from "../verdict/edits.ts";
import type { Finding } from "../verdict/finding.ts";
import { spamFields, type SpamFacts } from "../verdict/spam-fields.ts";
import { STOPS, type FateName } from "../verdict/policy.ts";
import type { Keeping } from "./apply.ts";
import { keepInMailbox, type MailboxWay } from "./kept-mailbox.ts";
import type { Judged, Judgement } from "./judge.ts";
import { wasScored } from "./record.ts";

export interface FilterFacts {
  readonly hostname: string;
  readonly product: string;
  /** Address and port of the listener; null on a unix socket. */
  readonly socket: ReceivedFacts["socket"];
  /** Delimiter for address extensions towards the next hop, "" = none. */
  readonly addressExtension: string;
  readonly quarantine: Quarantine;
  /** Where mail of this listener goes, as the configuration writes it. */
  readonly nextHop: string;
  /** The way to a mailbox of ours that takes kept copies; null when there is none. */
  mailbox(address: string): MailboxWay | null;
  readonly warn: (text: string) => void;
}

/** The edits of one recipient. */
export function editsFor(
  message: Message,
  judged: Judged,
  judgement: Judgement,
  quarantined: boolean,
  facts: FilterFacts,
): readonly Edit[] {
  const { verdict, policy, local } = judged;
  return headerEdits({
    hostname: facts.hostname,
    product: facts.product,
    mailId: message.envelope.mailId,
    origin: message.envelope.origin,
    trusted: false,
    local,
    fields: message.header.fields,
    quarantined,
    virusScanned: wasScanned(verdict.findings),
    ...alertsOf(verdict.findings),
    // By what counts for this recipient: nothing is claimed to one whom an allow line spares the score.
    spam: wasScored(verdict) ? spamFacts(judged) : null,
    subjectTag: policy.subjectTag,
    rblWarnings: rblWarnings(verdict.findings),
    greylist:
      verdict.findings.find(({ symbol }) => symbol === GREYLIST_DELAYED.symbol)?.detail ?? null,
    authResults: authResultsOf(message, judgement),
    received: receivedFacts(message, facts),
  });
}

/** What the auth check found, in its own words; null when it did not answer or was not asked (mail of our own users). */
function authResultsOf(message: Message, judgement: Judgement): readonly string[] | null {
  if (message.envelope.origin === "outbound" || !judgement.timings.has("auth")) return null;
  const found = judgement.findings.filter(({ check }) => check === "auth");
  if (found.some(({ category }) => category === "unchecked")) return null;
  return found.map(({ detail }) => detail);
}

/** The scanner looked at all of it and answered, and the recipient's virus findings count. */
function wasScanned(findings: readonly Finding[]): boolean {
  return (
    findings.some(({ check, symbol }) => check === "virus" && symbol === VIRUS_SCANNED) &&
    !findings.some(({ waives }) => waives?.includes("virus") === true)
  );
}

function spamFacts({ policy, verdict }: Judged): SpamFacts {
  return {
    score: verdict.score,
    tag: policy.tagLevel,
    tag2: policy.tag2Level,
    kill: policy.killLevel,
    // SpamAssassin names rules that give no points too.
    tests: verdict.findings.filter((f) => f.score !== 0 || f.foreign === "spamd"),
    autolearn: autolearnOf(verdict.findings),
  };
}

function alertsOf(findings: readonly Finding[]): {
  viruses: string[];
  banned: string | null;
  malformed: string | null;
} {
  const details = (category: string): string[] => [
    ...new Set(findings.filter((f) => f.category === category).map((f) => f.detail)),
  ];
  return {
    viruses: details("virus"),
    banned: details("banned")[0] ?? null,
    malformed: details("malformed")[0] ?? null,
  };
}

function receivedFacts(message: Message, facts: FilterFacts): ReceivedFacts {
  const { envelope } = message;
  return {
    greeting: envelope.greeting,
    peer: envelope.peer,
    hostname: facts.hostname,
    socket: facts.socket,
    product: facts.product,
    protocol: envelope.protocol,
    mailId: envelope.mailId,
    recipients: envelope.recipients.map((r) => r.address.raw),
    date: envelope.startedAt,
  };
}

/** Prepares the one quarantine copy of a message; the reply when it cannot be kept. */
export async function keepCopy(
  message: Message,
  judged: readonly Judged[],
  judgement: Judgement,
  facts: FilterFacts,
  deadline: AbortSignal,
): Promise<Keeping | Reply> {
  const { envelope, header, body } = message;
  const wanting =
    judged.find(({ verdict }) => verdict.quarantine) ??
    judged.find(({ verdict }) => STOPS[verdict.disposition]);
  const category = wanting?.verdict.category ?? "clean";
  const input: QuarantineInput = {
    mailId: envelope.mailId,
    logId: envelope.id,
    category: (category === "clean" ? "spam" : category) satisfies FateName,
    body,
    headerSize: header.size,
    sender: envelope.sender,
    senderParams: envelope.senderParams,
    recipients: judged.map(keptRecipient),
    messageId: firstField(header, "message-id")?.value ?? null,
    subject: firstField(header, "subject")?.value ?? null,
    client: envelope.client,
    nextHop: facts.nextHop,
    findings: judgement.findings,
    lines: copyLines(message, wanting, judgement, facts),
    receivedAt: envelope.startedAt,
  };
  const stored = (): Promise<Keeping | Reply> => store(input, facts, deadline);
  const to = category === "clean" ? undefined : wanting?.policy.keepTo?.get(category);
  const way = to === undefined ? null : facts.mailbox(to);
  return way === null ? stored() : keepInMailbox(message, input, way, stored, deadline, facts.warn);
}

async function store(
  input: QuarantineInput,
  facts: FilterFacts,
  deadline: AbortSignal,
): Promise<Keeping | Reply> {
  const prepared = await facts.quarantine.prepare(input, deadline);
  if (!prepared.ok) return prepared.failed;
  return {
    path: prepared.file,
    commit: () => prepared.commit(),
    abort: () => prepared.abort(),
    undo: () => prepared.revoke(),
  };
}

function keptRecipient({ recipient, verdict }: Judged): KeptRecipient {
  return {
    address: recipient.address.raw,
    params: recipient.params,
    blocked: STOPS[verdict.disposition],
    disposition: verdict.disposition,
    category: verdict.category,
    score: verdict.score,
  };
}

function copyLines(
  message: Message,
  wanting: Judged | undefined,
  judgement: Judgement,
  facts: FilterFacts,
): string[] {
  const spam =
    wanting !== undefined && wasScored(judgement)
      ? spamFields({ ...spamFacts(wanting), tag: -Infinity })
      : [];
  return [
    ...alertFields(alertsOf(judgement.findings)),
    ...spam,
    receivedLine(receivedFacts(message, facts)),
  ];
}

/** The recipient as an MTA shall see it: user+Junk@domain, with ORCPT so that the original is not lost. */
export function extended(
  recipient: Recipient,
  folder: string | null,
  delimiter: string,
): Recipient {
  if (folder === null || delimiter === "" || !/^[A-Za-z0-9_-]{1,32}$/.test(folder))
    return recipient;
  const { raw, domain } = recipient.address;
  const at = raw.lastIndexOf("@");
  if (at <= 0 || domain === "" || raw.startsWith('"') || raw.startsWith("@")) return recipient;
  const local = raw.slice(0, at).split(delimiter)[0] ?? "";
  const orcpt = recipient.params.some((param) => param.toUpperCase().startsWith("ORCPT="));
  const ascii = /^[\x21-\x7e]+$/.test(raw);
  return {
    address: {
      raw: `${local}${delimiter}${folder}${raw.slice(at)}`,
      local: `${local}${delimiter}${folder}`,
      domain,
    },
    params:
      orcpt || !ascii
        ? recipient.params
        : [...recipient.params, `ORCPT=rfc822;${encodeXtext(raw)}`],
  };
}
