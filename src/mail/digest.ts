// Composes the daily digest: to one recipient of ours, which messages to them were held, with a release link for those that they may
// have. Plain text: nothing in it can be drawn or run. Sent by engine/digest.ts.
import type { Address } from "./address.ts";
import { line, mailbox, shownRecipient, word } from "./composed-text.ts";
import { mailDate } from "./date.ts";

export interface HeldMessage {
  /** Mail id: the reference for the postmaster. */
  readonly id: string;
  readonly sender: string | null;
  /** Decoded; "" when there is none. */
  readonly subject: string;
  readonly arrivedAt: Date;
  /** Why it was held, as the quarantine calls it: "spam". */
  readonly category: string;
  readonly score: number | null;
  /** The whole URL; null: only the postmaster may release it. */
  readonly link: string | null;
}

export interface Digest {
  readonly hostname: string;
  /** Mail id of the digest itself. */
  readonly digestId: string;
  readonly to: Address;
  /** Whom to ask. */
  readonly postmaster: string;
  /** The most harmless first. */
  readonly messages: readonly HeldMessage[];
  /** How many more there are that are not named. */
  readonly more: number;
  readonly since: Date;
  readonly until: Date;
  /** Until when the links hold. */
  readonly linksUntil: Date;
  readonly now: Date;
}

/** The whole digest as octets, CRLF line ends. Needs SMTPUTF8 on the way when `to` is not ASCII. */
export async function composeDigest(digest: Digest): Promise<Buffer> {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const host = word(digest.hostname);
  const count = digest.messages.length + digest.more;
  const composer = new MailComposer({
    newline: "win",
    disableFileAccess: true,
    disableUrlAccess: true,
    from: { name: `Content-filter at ${host}`, address: `postmaster@${host}` },
    to: shownRecipient(digest.to.raw),
    subject: `${count} ${count === 1 ? "message" : "messages"} to you ${count === 1 ? "was" : "were"} held`,
    messageId: `<DIGEST${word(digest.digestId)}@${host}>`,
    date: digest.now,
    headers: { "Auto-Submitted": "auto-generated", Precedence: "bulk" },
    text: textOf(digest, count),
  });
  return composer.compile().build();
}

function textOf(digest: Digest, count: number): string {
  const { messages, more, postmaster } = digest;
  const linked = messages.some(({ link }) => link !== null);
  return [
    `This is the mail filter at ${word(digest.hostname)}.`,
    "",
    `${count === 1 ? "One message" : `${count} messages`} to ${mailbox(digest.to.raw)} ${count === 1 ? "was" : "were"} held between`,
    `${mailDate(digest.since)} and ${mailDate(digest.until)}.`,
    "",
    ...(linked
      ? [
          "To have a message delivered, open its link and press the button there.",
          `A link works once, until ${mailDate(digest.linksUntil)}.`,
          "",
        ]
      : []),
    ...messages.flatMap(linesOf),
    ...(more > 0 ? [`${more} more ${more === 1 ? "is" : "are"} not named here.`, ""] : []),
    `For a message without a link ask ${mailbox(postmaster)} and name its reference.`,
    "Nothing needs to be done about a message that you do not want.",
    "",
  ].join("\n");
}

const WHY: Readonly<Record<string, string>> = {
  badh: "malformed",
  banned: "has an attachment of a kind that is not let through",
  listed: "its sender is on a list of those who are turned away",
  unchecked: "could not be checked",
};

function linesOf(held: HeldMessage): string[] {
  const points = held.score === null ? "" : `, ${held.score} points`;
  return [
    `  sender:     ${shown(mailbox(held.sender ?? ""), 250)}`,
    `  subject:    ${held.subject === "" ? "(none)" : `"${shown(held.subject, 150)}"`}`,
    `  arrived:    ${mailDate(held.arrivedAt)}`,
    `  held as:    ${WHY[held.category] ?? word(held.category)}${points}`,
    `  reference:  ${word(held.id)}`,
    ...(held.link === null ? [] : [`  release:    ${held.link}`]),
    "",
  ];
}

/** Foreign text in one line, without anything that a mail reader would make a link of by its scheme. */
function shown(text: string, max: number): string {
  return line(text, max).replaceAll("://", ":/ /");
}
