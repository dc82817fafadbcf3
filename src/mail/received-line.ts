// The Received field that postern puts in front of every message it hands on (RFC 5321 4.4), in amavis' form; the MTA's
// loop limit counts it. Facts of the dialogue come from the client, so every one of them is reduced to safe characters.
import { isIP } from "node:net";
import { mailDate } from "./date.ts";

export interface ReceivedFacts {
  /** What the peer said in HELO, EHLO or LHLO; "" becomes "unknown". */
  readonly greeting: string;
  /** IP address of the peer, "" on a unix socket. */
  readonly peer: string;
  /** Our name. */
  readonly hostname: string;
  /** Our address and port; null on a unix socket. */
  readonly socket: { readonly address: string; readonly port: number } | null;
  /** "postern". */
  readonly product: string;
  /** "ESMTP", "LMTP", … (RFC 3848); anything else is left out. */
  readonly protocol: string;
  readonly mailId: string;
  /** All recipients of the transaction, raw; named only when there is exactly one. */
  readonly recipients: readonly string[];
  readonly date: Date;
}

/** The complete folded field, without trailing CRLF. */
export function receivedLine(facts: ReceivedFacts): string {
  const peer = isIP(facts.peer) === 0 ? "" : ` ([${literal(facts.peer)}])`;
  const from = `Received: from ${hostWord(facts.greeting)}${peer}`;
  const name = hostWord(facts.hostname);
  const socket = facts.socket;
  const where =
    socket !== null && isIP(socket.address) !== 0 ? ` (${name} [${literal(socket.address)}])` : "";
  const door = socket === null ? "unix socket" : `port ${socket.port}`;
  const by = ` by ${name}${where} (${hostWord(facts.product)}, ${door})${protocolOf(facts)}`;
  const id = ` id ${hostWord(facts.mailId)}${forOf(facts.recipients)};`;
  return [from, by, id, ` ${mailDate(facts.date)}`].join("\r\n");
}

function protocolOf({ protocol }: Pick<ReceivedFacts, "protocol">): string {
  return /^(?:SMTP|(?:ES|L|UTF8S|UTF8L)MTPS?A?)$/i.test(protocol)
    ? ` with ${protocol.toUpperCase()}`
    : "";
}

function forOf(recipients: readonly string[]): string {
  const [only] = recipients;
  // Quoted local parts and non-ASCII addresses are left out: a comment or a second clause could hide in them.
  if (recipients.length !== 1 || only === undefined) return "";
  return /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@:[\]-]{1,320}$/.test(only) ? ` for <${only}>` : "";
}

function literal(ip: string): string {
  return isIP(ip) === 6 ? `IPv6:${ip}` : ip;
}

function hostWord(text: string): string {
  const word = text.slice(0, 255).replace(/[^A-Za-z0-9.:_[\]-]/g, "?");
  return word === "" ? "unknown" : word;
}

export interface HopFacts {
  /** What the client said; null when it is not known. */
  readonly helo: string | null;
  /** Its confirmed name, or null. */
  readonly name: string | null;
  /** Its IP address. */
  readonly address: string;
  /** Our name. */
  readonly hostname: string;
  /** "postern". */
  readonly product: string;
  /** "ESMTP", "ESMTPSA", …; with the A for a client that has proved who it is. */
  readonly protocol: string;
  readonly mailId: string;
  readonly date: Date;
}

/**
 * The field that an MTA would have written about its client, for a reader that knows the client from nothing else (SpamAssassin).
 * The complete folded field, without trailing CRLF.
 */
export function hopLine(facts: HopFacts): string {
  const client = `${hostWord(facts.name ?? "unknown")} [${literal(facts.address)}]`;
  return [
    `Received: from ${hostWord(facts.helo ?? "unknown")} (${client})`,
    ` by ${hostWord(facts.hostname)} (${hostWord(facts.product)})${protocolOf(facts)}`,
    ` id ${hostWord(facts.mailId)};`,
    ` ${mailDate(facts.date)}`,
  ].join("\r\n");
}
