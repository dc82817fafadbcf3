// Composes notices about stopped mail: to our postmaster with all facts, to one of our recipients that something was held; and
// to our postmaster that somebody sends more than limits.rules allows.
// Automatic mail as RFC 3834 wants it; nothing of the stopped message's body is in it. Sent by engine/notices.ts.
import type { Address } from "./address.ts";
import { line, mailbox, shownRecipient, word } from "./composed-text.ts";
import { mailDate } from "./date.ts";
import { decodeWords } from "./encoded-word.ts";
import { headerText } from "./field-line.ts";

/** What both kinds of notice say about the message that was stopped. */
export interface Stopped {
  /** Log id and mail id. */
  readonly id: string;
  readonly mailId: string;
  readonly category: StoppedAs;
  /** The reason in a few words, "BANNED: .exe,x.exe"; for the postmaster only. */
  readonly why: string;
  /** Envelope sender as it came; null is the null sender. */
  readonly sender: string | null;
  /** The unfolded Subject field, encoded words and all; null when there is none. */
  readonly subject: string | null;
  readonly arrivedAt: Date;
  /** Name by which the quarantine knows the copy; null when none is kept. */
  readonly quarantineId: string | null;
  /** The mailbox that has the copy instead; absent: none has. */
  readonly keptIn?: string;
}

export type StoppedAs =
  "virus" | "banned" | "listed" | "unchecked" | "greylisted" | "spam" | "spammy" | "malformed";

export interface ToPostmaster {
  readonly kind: "postmaster";
  /** Whom it was for, and what became of it for each. */
  readonly recipients: readonly { readonly raw: string; readonly how: string }[];
  readonly client: {
    readonly address: string | null;
    readonly name: string | null;
    readonly helo: string | null;
    /** The MTA's queue id. */
    readonly ident: string | null;
  };
}

export interface ToRecipient {
  readonly kind: "recipient";
  /** Where to ask. */
  readonly postmaster: string;
}

/** Somebody passed a limit: to the postmaster, who decides whether an account was stolen. */
export interface LimitPassed {
  readonly kind: "limit";
  /** "login bob passed 200 messages per 1h: stolen account?" */
  readonly what: string;
  /** "rules/limits.rules:12". */
  readonly rule: string;
  /** What became of the mail that passed it. */
  readonly how: string;
  readonly login: string | null;
  readonly sender: string | null;
  readonly client: ToPostmaster["client"];
  readonly at: Date;
}

export type Notice = NoticeFacts &
  (
    | { readonly about: Stopped; readonly says: ToPostmaster | ToRecipient }
    | { readonly about: null; readonly says: LimitPassed }
  );

interface NoticeFacts {
  readonly hostname: string;
  /** Mail id of the notice itself. */
  readonly noticeId: string;
  readonly to: Address;
  /** How many notices of this kind to this address were left out since the last one. */
  readonly leftOut: number;
  readonly now: Date;
}

const MAX_RECIPIENTS = 100;

/** The whole notice as octets, CRLF line ends. Needs SMTPUTF8 on the way when `to` is not ASCII. */
export async function composeNotice(notice: Notice): Promise<Buffer> {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const host = word(notice.hostname);
  const composer = new MailComposer({
    newline: "win",
    disableFileAccess: true,
    disableUrlAccess: true,
    from: { name: `Content-filter at ${host}`, address: `postmaster@${host}` },
    to: shownRecipient(notice.to.raw),
    subject: headerText(subjectOf(notice), 300),
    messageId: `<NOTICE${word(notice.noticeId)}@${host}>`,
    date: notice.now,
    headers: { "Auto-Submitted": "auto-generated" },
    text: [...textOf(notice), ...leftOutLines(notice.leftOut), ""].join("\n"),
  });
  return composer.compile().build();
}

const WORDS: Readonly<Record<StoppedAs, { readonly title: string; readonly because: string }>> = {
  virus: { title: "VIRUS", because: "a virus was found in it" },
  banned: { title: "BANNED", because: "it has an attachment of a kind that is not let through" },
  listed: { title: "LISTED", because: "its sender is on a list of those who are turned away" },
  unchecked: { title: "UNCHECKED", because: "it could not be checked" },
  greylisted: { title: "GREYLISTED", because: "its sender was not known yet" },
  spam: { title: "SPAM", because: "it was judged to be spam" },
  spammy: { title: "SPAM", because: "it was judged to be spam" },
  malformed: { title: "BAD HEADER", because: "it is not well-formed" },
};

function subjectOf({ about, says }: Notice): string {
  if (about === null) return `LIMIT passed: ${says.what.slice(0, 200)}`;
  const from = mailbox(about.sender ?? "");
  if (says.kind === "postmaster") return `${WORDS[about.category].title} in mail from ${from}`;
  return `A message to you from ${from} was ${isKept(about) ? "held" : "stopped"}`;
}

function textOf(notice: Notice): string[] {
  const { hostname, about, says } = notice;
  const opening = [`This is the mail filter at ${word(hostname)}.`, ""];
  if (about === null) return [...opening, ...limitLines(says)];
  return says.kind === "postmaster"
    ? [...opening, ...postmasterLines(about, says)]
    : [...opening, ...recipientLines(about, says)];
}

function limitLines({ what, rule, how, login, sender, client, at }: LimitPassed): string[] {
  return [
    "A limit was passed:",
    "",
    `  limit:       ${line(what, 700)}`,
    `  rule:        ${line(rule, 200)}`,
    `  mail:        ${how}`,
    ...(login === null ? [] : [`  login:       ${line(login, 255)}`]),
    `  sender:      ${mailbox(sender ?? "")}`,
    `  client:      ${clientText(client)}`,
    `  at:          ${mailDate(at)}`,
    "",
    "If the account's owner knows nothing of this mail, change its password and end its sessions first.",
  ];
}

function postmasterLines(about: Stopped, says: ToPostmaster): string[] {
  const { client, recipients } = says;
  const shown = recipients.slice(0, MAX_RECIPIENTS);
  const rest = recipients.length - shown.length;
  return [
    "A message was stopped:",
    "",
    `  because:     ${line(about.why)}`,
    `  sender:      ${mailbox(about.sender ?? "")}`,
    ...shown.map(({ raw, how }) => `  recipient:   ${mailbox(raw)} ${how}`),
    ...(rest > 0 ? [`  recipients:  ${rest} more`] : []),
    `  client:      ${clientText(client)}`,
    ...(client.ident === null ? [] : [`  queue id:    ${line(client.ident, 100)}`]),
    `  subject:     ${subjectText(about.subject)}`,
    `  arrived:     ${mailDate(about.arrivedAt)}`,
    `  reference:   ${word(about.id)}/${word(about.mailId)}`,
    "",
    ...(about.quarantineId === null
      ? [
          about.keptIn === undefined
            ? "No copy was kept."
            : `A copy is in the mailbox ${mailbox(about.keptIn)}.`,
        ]
      : [
          "A copy is in the quarantine. To look at it, and to send it on to those for whom it was stopped:",
          "",
          `  postern quarantine show ${word(about.quarantineId)}`,
          `  postern quarantine release ${word(about.quarantineId)}`,
        ]),
  ];
}

function recipientLines(about: Stopped, says: ToRecipient): string[] {
  return [
    `A message to you was not delivered, because ${WORDS[about.category].because}.`,
    "",
    `  sender:      ${mailbox(about.sender ?? "")}`,
    `  subject:     ${subjectText(about.subject)}`,
    `  arrived:     ${mailDate(about.arrivedAt)}`,
    `  reference:   ${word(about.quarantineId ?? about.mailId)}`,
    "",
    "The sender's address may be forged. Nothing needs to be done if you do not expect this message.",
    isKept(about)
      ? `If you do, ask ${mailbox(says.postmaster)}, who can release it and needs the reference for that.`
      : `If you do, ask ${mailbox(says.postmaster)}, who wants to know the reference; no copy was kept.`,
  ];
}

function isKept({ quarantineId, keptIn }: Stopped): boolean {
  return quarantineId !== null || keptIn !== undefined;
}

function clientText({ address, name, helo }: ToPostmaster["client"]): string {
  const words = [
    address === null ? "unknown" : `[${word(address)}]`,
    ...(name === null ? [] : [line(name, 255)]),
    ...(helo === null ? [] : [`(HELO ${line(helo, 255)})`]),
  ];
  return words.join(" ");
}

function subjectText(subject: string | null): string {
  if (subject === null) return "(none)";
  return `"${line(decodeWords(subject.slice(0, 2_000)), 200).replace(/["\\]/g, "\\$&")}"`;
}

function leftOutLines(count: number): string[] {
  if (count === 0) return [];
  return [
    "",
    `Since the last notice, ${count} more like it ${count === 1 ? "was" : "were"} left out.`,
  ];
}
