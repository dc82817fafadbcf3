// Envelope addresses (RFC 5321 4.1.2, RFC 6531): the octets as they came, beside a form to compare with.
import { domainToASCII } from "node:url";

export interface Address {
  /** What stood between < and >, as it came (source route included), UTF-8; written out again unchanged. */
  readonly raw: string;
  /** Local part with quoting removed, case kept. */
  readonly local: string;
  /** Lower case, A-labels; "" when there is none ("postmaster"). An address literal keeps its brackets. */
  readonly domain: string;
}

/** The argument of MAIL FROM: or RCPT TO:. `address` is null for the null path `<>`. */
export interface Path {
  readonly address: Address | null;
  /** ESMTP parameters, byte for byte. */
  readonly params: readonly string[];
}

/** Octets between < and >. RFC 5321 4.5.3.1.3 asks for 256; VERP, SRS and BATV nest, so more is taken. */
const MAX_PATH = 2048;
/** Octets before the @; RFC 5321 4.5.3.1.1 asks for 64. */
const MAX_LOCAL = 1024;
const MAX_DOMAIN = 255;

const DOMAIN = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;
/** ASCII here must already be a domain's, since domainToASCII() reads its argument as the host of a URL. */
const UNICODE_DOMAIN = /^[a-zA-Z0-9_.\u0080-\u{10ffff}-]+$/u;
const LITERAL = /^\[[!-Z^-~]{1,253}\]$/;
/** By far the most paths: an unquoted local part, an ASCII domain, no route. */
const ORDINARY = /^<([a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]{1,255})@([a-zA-Z0-9._-]{1,254})>$/;

/**
 * Reads what follows "FROM:" or "TO:", that is `<path> param param`. Null when it is not a path: no angle brackets, no
 * local part, a domain that cannot be one, a control character, text that is not Unicode, or over-long (501).
 *
 * More is taken than RFC 5321 allows: dots anywhere in a local part, any printable character in it, "_" in domains,
 * blanks before "<". What is taken is passed on as it came.
 */
export function parsePath(text: string): Path | null {
  const start = text.startsWith("<") ? 0 : blanks(text);
  const end = pathEnd(text, start);
  if (end < 0) return null;
  const params = parseParams(text.slice(end + 1));
  if (params === null) return null;
  if (end === start + 1) return { address: null, params };
  const address = parseAddress(text.slice(start + 1, end));
  return address === null ? null : { address, params };
}

/** Reads what stands between < and >; null when it is no address. The bounds and liberties are those of parsePath(). */
export function parseAddress(raw: string): Address | null {
  const ordinary = ORDINARY.exec(`<${raw}>`);
  if (ordinary !== null) {
    const domain = canonicalDomain(ordinary[2] ?? "");
    return domain === null ? null : { raw, local: ordinary[1] ?? "", domain };
  }
  if (raw.length > MAX_PATH || Buffer.byteLength(raw) > MAX_PATH) return null;
  if (!raw.isWellFormed() || /[\x00-\x1f\x7f]/.test(raw)) return null;
  const local = parseLocal(raw, routeEnd(raw));
  if (local === null) return null;
  if (local.end === raw.length) return { raw, local: local.text, domain: "" };
  const domain = canonicalDomain(raw.slice(local.end + 1));
  return domain === null ? null : { raw, local: local.text, domain };
}

/** Lower case, A-labels, no dot at the end; a literal in brackets in lower case; null when it can be neither. */
export function canonicalDomain(text: string): string | null {
  if (text.startsWith("[")) return LITERAL.test(text) ? text.toLowerCase() : null;
  let domain = text.endsWith(".") ? text.slice(0, -1) : text;
  if (/[^\x00-\x7f]/.test(domain)) {
    if (domain.length > MAX_DOMAIN || !UNICODE_DOMAIN.test(domain)) return null;
    domain = domainToASCII(domain);
    if (domain.endsWith(".")) domain = domain.slice(0, -1);
  }
  domain = domain.toLowerCase();
  return domain.length <= MAX_DOMAIN && DOMAIN.test(domain) ? domain : null;
}

/** One string per mailbox as far as SMTP can tell: local part as it is, domain canonical. Unambiguous, for map keys. */
export function addressKey(address: Address): string {
  return `${address.local}@${address.domain}`;
}

/** True when both are null senders, or their local parts are equal octet for octet and their domains canonically. */
export function sameAddress(a: Address | null, b: Address | null): boolean {
  if (a === null || b === null) return a === b;
  return a.local === b.local && a.domain === b.domain;
}

function blanks(text: string): number {
  let at = 0;
  while (text[at] === " ") at++;
  return at;
}

/** Index of the > that closes the path which opens at `start`, quoted strings stepped over; -1 when there is none. */
function pathEnd(text: string, start: number): number {
  if (text[start] !== "<") return -1;
  let quoted = false;
  const last = Math.min(text.length, start + MAX_PATH + 2);
  for (let at = start + 1; at < last; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (char === '"') quoted = !quoted;
    else if (char === ">" && !quoted) return at;
    else if (char === "<" && !quoted) return -1;
  }
  return -1;
}

/** The blank-separated parameters behind the path; null when something else stands there. */
function parseParams(text: string): string[] | null {
  if (text === "") return [];
  if (!text.startsWith(" ") || !text.isWellFormed() || /[\x00-\x1f\x7f]/.test(text)) return null;
  return text.split(" ").filter((param) => param !== "");
}

/** Index behind a source route "@a,@b:" (RFC 5321 4.1.1.3: to be ignored), or 0. */
function routeEnd(raw: string): number {
  return raw.startsWith("@") ? raw.indexOf(":") + 1 : 0;
}

/** The local part from `start` on: words and quoted strings up to an unquoted @ or the end. */
function parseLocal(raw: string, start: number): { text: string; end: number } | null {
  let text = "";
  let quoted = false;
  let at = start;
  for (; at < raw.length; at++) {
    let char = raw.charAt(at);
    if (char === '"') {
      quoted = !quoted;
      continue;
    }
    if (char === "\\") {
      char = raw.charAt(++at);
      if (char === "") return null;
    } else if (!quoted) {
      if (char === "@") break;
      if (char === " " || char === "<" || char === ">") return null;
    }
    text += char;
  }
  if (quoted || text === "" || Buffer.byteLength(text) > MAX_LOCAL) return null;
  return { text, end: at };
}
