// The command lines of one transaction: XFORWARD (Postfix's XFORWARD_README), MAIL and RCPT with the parameters that this
// server offered (RFC 1870, 6152, 6531, 3461). Addresses go out byte for byte as they came. Pure; used by smtp.ts.
import type { Client, Recipient, XForward } from "../mail/message.ts";
import type { Copy } from "../mail/destination.ts";
import { encodeXtext } from "../mail/xtext.ts";
import type { Extensions } from "./smtp-extensions.ts";

const XFORWARD_VALUE = 255;
const COMMAND_LINE = 510;
const UNAVAILABLE = "[UNAVAILABLE]";

/** True when the address can stand between < and > without ending the line or the path. */
export function isSendable(raw: string): boolean {
  if (/^[\x21-\x3b\x3d\x3f-\x7e\x80-\uffff]*$/.test(raw) && !raw.includes('"')) return true;
  if (/[\0-\x1f\x7f]/.test(raw)) return false;
  // A quoted string is a whole word of the local part; elsewhere, who knows where a peer sees the address end.
  const unquoted = raw.replace(/(^|[:.])"(?:[^"\\]|\\.)*"(?=[@.]|$)/g, "$1");
  return !/[ <>"]/.test(unquoted);
}

/** True when the raw address needs SMTPUTF8. */
export function needsUtf8(raw: string): boolean {
  return /[^\0-\x7f]/.test(raw);
}

/** True when the sender came with SMTPUTF8 or cannot be written without it. */
export function wantsUtf8(copy: Copy): boolean {
  return (
    copy.senderParams.some((one) => /^SMTPUTF8$/i.test(one)) ||
    (copy.sender !== null && needsUtf8(copy.sender.raw))
  );
}

/**
 * `MAIL FROM:<…>` with SIZE, BODY, SMTPUTF8, RET and ENVID as far as the server offered them; AUTH= and everything
 * unknown is dropped. BODY=8BITMIME towards a server without 8BITMIME is dropped and the octets are sent as they are.
 */
export function mailLine(copy: Copy, offered: Extensions, smtputf8: boolean): string {
  let line = `MAIL FROM:<${copy.sender === null ? "" : copy.sender.raw}>`;
  if (offered.size) line += ` SIZE=${copy.body.size}`;
  if (smtputf8) line += " SMTPUTF8";
  for (const parameter of copy.senderParams) {
    const body = offered.eightBitMime && /^BODY=(?:7BIT|8BITMIME)$/i.test(parameter);
    const dsn = offered.dsn && /^(?:RET=(?:FULL|HDRS)|ENVID=[\x21-\x7e]{1,100})$/i.test(parameter);
    if (body || dsn) line += ` ${parameter}`;
  }
  return line;
}

/** `RCPT TO:<…>` with NOTIFY and ORCPT when the server offered DSN; everything else is dropped. */
export function rcptLine(recipient: Recipient, offered: Extensions): string {
  let line = `RCPT TO:<${recipient.address.raw}>`;
  if (!offered.dsn) return line;
  for (const parameter of recipient.params) {
    if (/^NOTIFY=[A-Za-z,]{1,30}$/i.test(parameter)) line += ` ${parameter}`;
    else if (/^ORCPT=[A-Za-z0-9-]{1,30};[\x21-\x7e]{1,500}$/i.test(parameter))
      line += ` ${parameter}`;
    else if (offered.smtputf8 && /^ORCPT=utf-8;[\x21-\x7e\x80-\uffff]{1,500}$/i.test(parameter))
      line += ` ${parameter}`;
  }
  return line;
}

/**
 * The XFORWARD lines, none when the server did not offer it or nothing is known. What came in is passed on; when nothing
 * came, what `client` says. Offered attributes without a value go out as [UNAVAILABLE]. `overwrite`: an earlier
 * transaction on this connection sent some, and a server may have kept them, so that silence would say the wrong thing.
 */
export function xforwardLines(
  copy: Pick<Copy, "client" | "xforward">,
  offered: Extensions,
  overwrite: boolean,
): readonly string[] {
  if (offered.xforward.length === 0) return [];
  const known = copy.xforward.size > 0 ? copy.xforward : attributes(copy.client);
  if (!overwrite && !offered.xforward.some((name) => known.has(name))) return [];
  const lines: string[] = [];
  let line = "XFORWARD";
  for (const name of offered.xforward) {
    const attribute = ` ${name}=${known.get(name) ? forwardValue(known.get(name) as string) : UNAVAILABLE}`;
    if (line.length + attribute.length > COMMAND_LINE && line !== "XFORWARD") {
      lines.push(line);
      line = "XFORWARD";
    }
    line += attribute;
  }
  return [...lines, line];
}

function forwardValue(value: string): string {
  const encoded = encodeXtext(value.slice(0, XFORWARD_VALUE));
  // Cut between encoded octets, never within one.
  return encoded.length <= XFORWARD_VALUE
    ? encoded
    : encoded.slice(0, XFORWARD_VALUE).replace(/\+.?$/, "");
}

function attributes(client: Client): XForward {
  const map = new Map<string, string>();
  const set = (name: string, value: string | number | null): void => {
    if (value !== null) map.set(name, String(value));
  };
  set("NAME", client.name);
  set("ADDR", client.address?.includes(":") ? `IPV6:${client.address}` : client.address);
  set("PORT", client.port);
  set("PROTO", client.protocol);
  set("HELO", client.helo);
  set("IDENT", client.ident);
  set("SOURCE", client.source);
  return map;
}
