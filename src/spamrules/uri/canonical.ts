// All spellings of one URI that a mail program could take it for, as SpamAssassin lists them for `uri` rules. Called by find.ts.
import { lower, trim } from "../message/octets.ts";
import { mailVariants } from "./canonical-mail.ts";
import type { Boundaries } from "./domain.ts";
import { idnToAscii } from "./idn.ts";
import { dottedOf, quadOf } from "./numeric-host.ts";
import { decodePercent } from "./percent.ts";

/** Addresses within addresses, each unwrapped in turn. SpamAssassin has no bound; nothing honest comes near it. */
const MOST_UNWRAPPED = 50;
const HTTP_PARTS = /^(https?:\/\/)([^@/?#]*@)?([^/?#:]+)((?::(\d*))?.*)$/i;

/** A redirector_pattern line, compiled: gives the address within. */
export type Redirector = (uri: string) => Iterable<string | undefined>;

export interface Habits {
  readonly redirectors: readonly Redirector[];
  readonly boundaries: Boundaries;
  /** What redirectors may still cost for this message; absent: as much as they want. */
  readonly effort?: Effort;
}

export interface Effort {
  left: number;
}

/**
 * For one message. QUIRK: SpamAssassin has no bound, but a stock pattern takes time by the third power of the length (350 ms for 8 kB
 * made to be slow), so a length counts by its third power: two addresses of 8 kB, sixteen of 4 kB, a hundred of 2 kB go through them.
 */
export function effort(): Effort {
  return { left: 2 * 8192 ** 3 };
}

/** The URI without white space at its ends first, then every other form, each once. */
export function canonical(raw: string, habits: Habits): Set<string> {
  const uris = [raw];
  const found: string[] = [];
  for (let index = 0; index < uris.length && index < MOST_UNWRAPPED; index += 1) {
    const uri = trim((uris[index] ?? "").replaceAll("\n", "")).replaceAll("\r", "");
    uris[index] = uri;
    if (uri.length <= 1 || /^(?:[#?&]|\/(?!\/))/.test(uri)) continue;
    if (/^mailto:/i.test(uri) || /^[^:]*@/.test(uri)) found.push(...mailVariants(uri));
    else variants(uri, habits, uris, found);
  }
  return new Set([...uris, ...found]);
}

function variants(uri: string, habits: Habits, uris: string[], found: string[]): void {
  const plain = respell(uri);
  if (plain !== uri) found.push(plain);
  const parts = HTTP_PARTS.exec(plain);
  if (!parts) return;
  const [, scheme = "", auth = "", host = "", rest = "", port = ""] = parts;
  const add = (name: string, tail = rest): void => {
    found.push(scheme + name + tail);
  };
  const withoutPort = stripPort(scheme, port, rest);
  if (withoutPort !== null && withoutPort !== rest) add(host, withoutPort);
  let name = idnToAscii(host);
  const ascii = name;
  if (name !== lower(host)) {
    add(name);
    if (withoutPort !== null && withoutPort !== "" && withoutPort !== "0") add(name, withoutPort);
  } else name = host;
  const strict = name.replace(/[\x00-\x20]+/g, "");
  if (strict !== name) add((name = strict));
  const inner = unwrap(scheme + name, rest, habits);
  if (inner !== null) uris.push(inner);
  const user = name.lastIndexOf("@");
  if (user > 0) add((name = name.slice(user + 1)));
  const bare = trimOdd(name);
  if (bare !== name) add((name = bare));
  const numeric = quadOf(name) ?? dottedOf(name);
  if (numeric !== null) add(numeric);
  else if (
    scheme === "http://" &&
    auth === "" &&
    ascii !== "localhost" &&
    (port === "" || port === "80")
  )
    addGuess(ascii, habits.boundaries, add);
}

/** "http://foobar" is tried as "http://www.foobar.com", as browsers do. */
function addGuess(host: string, boundaries: Boundaries, add: (name: string) => void): void {
  const word = /^(?:www\.)?([^.]+)$/.exec(host)?.[1];
  if (word !== undefined && !boundaries.isValid(host)) add(`www.${word}.com`);
}

/** Slashes, percent signs, scheme and character references as mail programs read them. */
function respell(uri: string): string {
  let text = uri.includes("\\") ? uri.replaceAll("\\", "/") : uri;
  text = text.replace(/^(https?:)\/{0,2}/i, "$1//");
  if (/%[0-9a-fA-F]{2}/.test(text)) text = decodePercent(text);
  if (!/^[-_a-z0-9]+:/i.test(text)) text = (text.startsWith("ftp.") ? "ftp://" : "http://") + text;
  text = text.replace(/^(https?:\/\/[^/?#]+)([?#])/i, "$1/$2");
  if (!text.includes("&#")) return text;
  return text
    .replace(/&#0*(3[3-9]|[4-9]\d|1[01]\d|12[0-6]);/g, (_, digits: string) =>
      String.fromCharCode(Number(digits)),
    )
    .replace(/&#x0*(2[1-9]|[3-6][a-fA-F0-9]|7[0-9a-eA-E]);/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    )
    .replace(/&#(?:x2e|12290|x3002|65294|xff0e|65377|xff61);/gi, ".");
}

/** What follows the host without the scheme's own port; null when no port was given. */
function stripPort(scheme: string, port: string, rest: string): string | null {
  if (port === "") return null;
  return rest.replace(scheme === "http://" ? /^:80\b/ : /^:443\b/, "");
}

/** The address that a redirector would lead to. */
function unwrap(start: string, rest: string, { redirectors, effort }: Habits): string | null {
  const whole = start + rest;
  const cost = whole.length ** 3;
  const tries = effort !== undefined && cost > effort.left ? [] : redirectors;
  if (effort !== undefined && tries.length > 0) effort.left -= cost;
  for (const pattern of tries) {
    const [target] = pattern(whole);
    if (target?.includes(".") === true) return target;
  }
  const target = /https?:\/{0,2}[^&#]+/i.exec(rest)?.[0];
  return target?.includes(".") === true ? target : null;
}

/** Without what is no letter or digit at the end. */
function trimOdd(host: string): string {
  let end = host.length;
  while (end > 0 && !/[0-9A-Za-z]/.test(host.charAt(end - 1))) end -= 1;
  return host.slice(0, end);
}
