// The message as the spam scorer shall see it: as the MTA that delivers it would have it, with what we know in front (envelope,
// the client's hop where the MTA has not written it, hints of earlier checks) and without what a sender forged of that. Only a
// copy; the message stays as it came. Used by the spam check.
import { editedBody, type HeaderEdit } from "../mail/edited.ts";
import { fieldLine, headerText } from "../mail/field-line.ts";
import { firstField, headerEnd } from "../mail/header.ts";
import { canonicalIp } from "../mail/ip.ts";
import type { Body, Envelope, Message } from "../mail/message.ts";
import { parseReceived } from "../mail/received.ts";
import { hopLine } from "../mail/received-line.ts";
import { removals } from "../verdict/edits.ts";
import type { Finding } from "../verdict/finding.ts";
import { rblWarnings } from "./dnsxl.ts";
import { GREYLIST_DELAYED } from "./greylist-delay.ts";

export interface CopyFacts {
  /** Our name. */
  readonly hostname: string;
  /** "postern". */
  readonly product: string;
  /** Names that our MTA writes after `by`, lower case. */
  readonly mtaNames: ReadonlySet<string>;
}

/** Where SpamAssassin looks for the envelope; it distrusts ours when one of these comes again further down. */
const ENVELOPE_FIELDS = new Set([
  "return-path",
  "x-envelope-from",
  "envelope-sender",
  "x-envelope-to",
]);
const MAX_HINTS = 10;
const MAX_RECIPIENTS = 50;

/** Borrows from the message; nothing is read before the result is. */
export function scorerCopy(message: Message, findings: readonly Finding[], facts: CopyFacts): Body {
  const { envelope, header } = message;
  const lines = [
    ...envelopeLines(envelope),
    ...rblWarnings(findings)
      .slice(0, MAX_HINTS)
      .map((text) => fieldLine("X-RBL-Warning", headerText(text))),
    ...findings
      .filter(({ symbol }) => symbol === GREYLIST_DELAYED.symbol)
      .slice(0, 1)
      .map(({ detail }) => fieldLine("X-Greylist", headerText(detail))),
    ...hopOf(message, facts),
  ];
  const { fields } = header;
  const forged = new Set(
    removals({ origin: "inbound", trusted: false, fields, hostname: facts.hostname }).map(
      ({ index }) => index,
    ),
  );
  fields.forEach(({ name }, index) => {
    if (ENVELOPE_FIELDS.has(name.toLowerCase())) forged.add(index);
  });
  const edits: HeaderEdit[] = [
    ...lines.map((line): HeaderEdit => ({ do: "prepend", line })),
    ...[...forged].map((index): HeaderEdit => ({ do: "remove", index })),
  ];
  return editedBody(header, message.body, edits);
}

/**
 * The first octets of a body, at most `max`, cut behind a line; with the empty line behind the header when the header itself is
 * longer. In memory.
 */
export async function firstOctets(body: Body, max: number): Promise<Body> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body.bytes ?? body.lend?.() ?? body.open()) {
    pieces.push(Buffer.from(piece.subarray(0, max - size)));
    size += Math.min(piece.length, max - size);
    if (size >= max) break;
  }
  let start = Buffer.concat(pieces);
  start = start.subarray(0, start.lastIndexOf(0x0a) + 1);
  const bytes = headerEnd(start) < 0 ? [start, Buffer.from("\r\n")] : [start];
  const whole = bytes.reduce((sum, piece) => sum + piece.length, 0);
  return {
    size: whole,
    bytes,
    open: async function* () {
      yield* bytes;
    },
  };
}

/** What a delivering MTA notes about the envelope. Addresses outside ASCII are left out: no reader expects them there. */
function envelopeLines({ sender, recipients }: Envelope): string[] {
  const from = sender?.raw ?? "";
  const to = recipients
    .map(({ address }) => address.raw)
    .filter(isPlain)
    .slice(0, MAX_RECIPIENTS);
  return [
    ...(from === "" || isPlain(from) ? [`Return-Path: <${from}>`] : []),
    ...(to.length > 0 ? [fieldLine("X-Envelope-To", to.join(", "))] : []),
  ];
}

const isPlain = (address: string): boolean => /^[!-;=?-~]{1,320}$/.test(address);

/** The hop from the client to the MTA, unless the MTA's own line about it stands on top. */
function hopOf({ envelope, header }: Message, facts: CopyFacts): string[] {
  const { xforward } = envelope;
  const address = canonicalIp(xforward.get("ADDR") ?? "");
  if (address === null) return [];
  const helo = xforward.get("HELO") ?? null;
  const name = xforward.get("NAME") ?? null;
  const top = firstField(header, "received");
  const written = top === null ? null : parseReceived(top.value);
  // All of it must agree: a sender could write such a line, but then it says nothing that is not so.
  const known =
    written !== null &&
    facts.mtaNames.has(written.by ?? "") &&
    written.address === address &&
    same(written.helo, helo) &&
    same(written.name, name);
  if (known) return [];
  return [
    hopLine({
      helo,
      name,
      address,
      hostname: facts.hostname,
      product: facts.product,
      protocol: protocolOf(envelope),
      mailId: envelope.mailId,
      date: envelope.startedAt,
    }),
  ];
}

function same(a: string | null, b: string | null): boolean {
  return (a ?? "").toLowerCase() === (b ?? "").toLowerCase();
}

/** The protocol of the hop; that of our own users ends in A: SpamAssassin then takes their addresses for those of users. */
function protocolOf({ xforward, origin }: Envelope): string {
  const said = (xforward.get("PROTO") ?? "SMTP").toUpperCase();
  const known = /^E?SMTPS?A?$/.test(said) ? said : "SMTP";
  if (origin !== "outbound" || known.endsWith("A")) return known;
  return known.startsWith("E") ? `${known}A` : "ESMTPA";
}
