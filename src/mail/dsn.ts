// Composes our non-delivery reports (RFC 3464 in RFC 6522's multipart/report; RFC 6533 for UTF-8 addresses). Sent with
// the null sender through `[outgoing]` by the engine, after dsn-facts.ts found no reason against it.
import type { Address } from "./address.ts";
import { line, mailbox, shownRecipient, word } from "./composed-text.ts";
import { mailDate } from "./date.ts";
import { paramOf } from "./dsn-facts.ts";
import { headerText } from "./field-line.ts";
import type { Header } from "./header.ts";
import type { Recipient } from "./message.ts";
import { replyLine, type Reply } from "./reply.ts";
import { decodeXtext } from "./xtext.ts";

export interface FailedRecipient {
  readonly recipient: Recipient;
  /** What it was refused with: ours, or that of the next hop. */
  readonly reply: Reply;
  /** Name or address of the host that refused; null when we did. */
  readonly remoteMta: string | null;
}

export interface Report {
  readonly hostname: string;
  /** Log id and mail id, which name the message for both postmasters. */
  readonly id: string;
  readonly mailId: string;
  /** To whom the report goes: the envelope sender of the failed message, never null. */
  readonly sender: Address;
  /** ESMTP parameters of its MAIL command, for ENVID. */
  readonly senderParams: readonly string[];
  readonly kind: "virus" | "banned" | "listed" | "unchecked" | "spam" | "malformed" | "relay";
  /** Names of viruses or the banned reason, for the Subject; "" when there is nothing to say. */
  readonly what: string;
  readonly recipients: readonly FailedRecipient[];
  /** Header of the failed message: at most 64 KiB of it are returned. */
  readonly header: Header;
  readonly arrivedAt: Date;
  readonly now: Date;
}

const MAX_HEADER = 64 * 1024;
const MAX_RECIPIENTS = 1_100;

/** The whole report as octets, CRLF line ends. Needs SMTPUTF8 on the way when any address in it is not ASCII. */
export async function composeDsn(report: Report): Promise<Buffer> {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const composer = new MailComposer({
    newline: "win",
    disableFileAccess: true,
    disableUrlAccess: true,
    from: {
      name: `Content-filter at ${word(report.hostname)}`,
      address: `postmaster@${word(report.hostname)}`,
    },
    to: shownRecipient(report.sender.raw),
    subject: headerText(subjectOf(report), 400),
    messageId: `<DSN${word(report.mailId)}@${word(report.hostname)}>`,
    date: report.now,
    headers: {
      "Auto-Submitted": "auto-replied",
      ...references(report.header),
    },
    text: explanation(report),
    attachments: [statusPart(report), headerPart(report)],
  });
  const root = composer.compile();
  root.setHeader("Content-Type", "multipart/report; report-type=delivery-status");
  return root.build();
}

function subjectOf({ kind, what }: Report): string {
  const reason = what === "" ? "" : ` (${what})`;
  switch (kind) {
    case "banned":
      return `BANNED contents from you${reason}`;
    case "virus":
      return `VIRUS in message apparently from you${reason}`;
    case "spam":
      return "Considered UNSOLICITED BULK EMAIL, apparently from you";
    case "malformed":
      return "BAD HEADER in message from you";
    case "listed":
    case "unchecked":
    case "relay":
      return "Undeliverable mail";
    default:
      return kind satisfies never;
  }
}

function explanation(report: Report): string {
  const failed = report.recipients
    .slice(0, MAX_RECIPIENTS)
    .map(({ recipient, reply }) => `  ${mailbox(recipient.address.raw)}\n    ${replyLine(reply)}`);
  return [
    `This is the mail filter at ${word(report.hostname)}.`,
    "",
    "A message that carries your address as its sender was not delivered to:",
    "",
    ...failed,
    "",
    `Our reference for it is ${word(report.id)}/${word(report.mailId)}.`,
    "If you did not send it, somebody used your address; then nothing needs to be done.",
    "",
  ].join("\n");
}

type MailPart = {
  contentType: string;
  content: Buffer;
  filename: false;
  contentTransferEncoding?: "7bit" | "base64" | "quoted-printable";
};

function statusPart(report: Report): MailPart {
  const envid = paramOf(report.senderParams, "ENVID");
  const lines = [
    `Reporting-MTA: dns; ${word(report.hostname)}`,
    ...(envid === null ? [] : [`Original-Envelope-Id: ${plain(decodeXtext(envid) ?? envid)}`]),
    `Arrival-Date: ${mailDate(report.arrivedAt)}`,
  ];
  for (const failed of report.recipients.slice(0, MAX_RECIPIENTS)) {
    lines.push("", ...recipientLines(failed, report));
  }
  const content = Buffer.from(`${lines.join("\r\n")}\r\n`);
  const utf8 = !isAscii(content);
  return {
    contentType: utf8 ? "message/global-delivery-status" : "message/delivery-status",
    content,
    filename: false,
    contentTransferEncoding: utf8 ? "base64" : "7bit",
  };
}

function recipientLines(
  { recipient, reply, remoteMta }: FailedRecipient,
  report: Report,
): string[] {
  const orcpt = originalRecipient(recipient);
  const raw = line(recipient.address.raw);
  const type = isAscii(Buffer.from(raw)) ? "rfc822" : "utf-8";
  const failed = reply.kind !== "ok";
  return [
    ...(orcpt === null ? [] : [`Original-Recipient: ${orcpt}`]),
    `Final-Recipient: ${type}; ${raw}`,
    "Action: failed",
    `Status: ${failed ? reply.status : "5.0.0"}`,
    ...(remoteMta === null ? [] : [`Remote-MTA: dns; ${word(remoteMta)}`]),
    ...(failed ? [`Diagnostic-Code: smtp; ${replyLine(reply).slice(0, 900)}`] : []),
    `Last-Attempt-Date: ${mailDate(report.now)}`,
    `Final-Log-ID: ${word(report.id)}/${word(report.mailId)}`,
  ];
}

/** "rfc822; a+b@example.org" from ORCPT=rfc822;a+2Bb@example.org; null when it did not come or is no such thing. */
function originalRecipient(recipient: Recipient): string | null {
  const parts = /^([A-Za-z0-9-]{1,20});(.{1,500})$/.exec(paramOf(recipient.params, "ORCPT") ?? "");
  const [, type, address] = parts ?? [];
  if (type === undefined || address === undefined) return null;
  return `${type.toLowerCase()}; ${line(decodeXtext(address) ?? address)}`;
}

function headerPart({ header, senderParams }: Report): MailPart {
  const kept: Buffer[] = [];
  let size = 0;
  for (const { raw } of header.fields) {
    size += raw.length;
    if (size > MAX_HEADER) break;
    kept.push(raw);
  }
  const content = Buffer.concat(kept);
  const ascii = isAscii(content);
  const global = !ascii && senderParams.some((param) => param.toUpperCase() === "SMTPUTF8");
  const charset = ascii ? "" : "; charset=utf-8";
  return {
    contentType: global ? "message/global-headers" : `text/rfc822-headers${charset}`,
    content,
    filename: false,
    ...(ascii ? {} : { contentTransferEncoding: "base64" }),
  };
}

/** Threads the report below the failed message, if its Message-ID is an ordinary one. */
function references(header: Header): Record<string, string> {
  const value = header.fields.find(({ name }) => name.toLowerCase() === "message-id")?.value ?? "";
  if (!/^<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>$/.test(value)) return {};
  return { "In-Reply-To": value, References: value };
}

function plain(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e]/g, "?");
}

function isAscii(octets: Buffer): boolean {
  return !octets.some((octet) => octet > 0x7e || octet === 0);
}
