// Hosts that a text leads to: of links in HTML attributes and of what mail programs turn into links. Read as a browser reads them
// (WHATWG URL: backslashes, user names, numbers as addresses, percent signs, IDN), since that is where the reader ends up.
// Bounded and linear; hostile text gives fewer hosts, never an exception. Called by the dnsxl check.
import { getDomain } from "tldts";
import { canonicalIp } from "../mail/ip.ts";
import { decodeCharset } from "../mail/charset.ts";
import type { PartText } from "../mail/message.ts";

export interface UriHosts {
  /** Registered domains (below private suffixes such as those of web hosts too), lower case, A-labels. */
  readonly domains: Set<string>;
  /** Canonical addresses. */
  readonly addresses: Set<string>;
  /** True when there were more than were kept. */
  more: boolean;
}

/** Domains and addresses of one message that are kept, each. */
const MAX_HOSTS = 30;
/** Links that are looked at in one part. */
const MAX_LINKS = 1000;
const MAX_VALUE = 2048;

const ATTRIBUTE = /\b(?:href|src|action|formaction|background|poster|data)\s{0,8}=\s{0,8}/gi;
/** Where a link's host starts: "https://", "https:", "//" and what browsers take for these. */
const START = /^[\x00-\x20]*(?:(?:https?|ftp):[\\/]*|[\\/]{2,})/i;
const IN_TEXT =
  /(?:https?|ftp):[\\/]{2,4}(\[[0-9a-f:.]{2,45}\](?::\d{1,5})?|[^\s\\/?#"'<>()[\]{},;|]{1,400})/gi;
const WWW = /\bwww\.[a-z0-9\u0080-\uffff-]{1,63}\.[a-z0-9.\u0080-\uffff-]{1,200}/gi;
const ENTITY =
  /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|colon|sol|bsol|period|commat|num|quot|lt|gt|tab|newline|shy|zwnj|zwj));?/gi;
const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  colon: ":",
  sol: "/",
  bsol: "\\",
  period: ".",
  commat: "@",
  num: "#",
  quot: '"',
  lt: "<",
  gt: ">",
  tab: "\t",
  newline: "\n",
  shy: "\u00ad",
  zwnj: "\u200c",
  zwj: "\u200d",
};

export function noHosts(): UriHosts {
  return { domains: new Set(), addresses: new Set(), more: false };
}

/** Adds the hosts of one part: those behind attributes first, since they are what is clicked on. */
export function addHosts(part: PartText, hosts: UriHosts): void {
  const text = decodeCharset(part.octets, part.charset === "" ? "utf-8" : part.charset);
  if (part.type === "text/html" || /<[a-z!/]/i.test(text.slice(0, 4096)))
    addAttributes(text, hosts);
  const plain = text.includes("&") ? decodeEntities(text) : text;
  let left = MAX_LINKS;
  for (const [, authority = ""] of plain.matchAll(IN_TEXT)) {
    addAuthority(authority, hosts);
    if (--left === 0) return;
  }
  for (const [host] of plain.matchAll(WWW)) {
    addAuthority(host, hosts);
    if (--left === 0) return;
  }
}

function addAttributes(text: string, hosts: UriHosts): void {
  let left = MAX_LINKS;
  for (const match of text.matchAll(ATTRIBUTE)) {
    if (left-- === 0) return;
    const value = decodeEntities(valueAt(text, match.index + match[0].length));
    // Browsers drop these inside an attribute's URL.
    const link = value.replace(/[\t\r\n]/g, "");
    const start = START.exec(link)?.[0];
    if (start === undefined) continue;
    const authority = /^[^\\/?#]{1,400}/.exec(link.slice(start.length))?.[0];
    if (authority !== undefined) addAuthority(authority, hosts);
  }
}

/** The attribute's value at this place, quoted or up to white space or ">". */
function valueAt(text: string, at: number): string {
  const window = text.slice(at, at + MAX_VALUE);
  const quote = window[0];
  if (quote === '"' || quote === "'") {
    const end = window.indexOf(quote, 1);
    return end < 0 ? window.slice(1) : window.slice(1, end);
  }
  return /^[^\s>]*/.exec(window)?.[0] ?? "";
}

function decodeEntities(text: string): string {
  return text.replace(ENTITY, (all, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return NAMED[name.toLowerCase()] ?? all;
    const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "";
  });
}

function addAuthority(authority: string, hosts: UriHosts): void {
  const host = hostOf(authority);
  if (host === null) return;
  const ip = canonicalIp(host);
  const domain = ip ?? getDomain(host, { allowPrivateDomains: true, extractHostname: false });
  if (domain === null) return;
  const set = ip === null ? hosts.domains : hosts.addresses;
  if (set.has(domain)) return;
  if (set.size >= MAX_HOSTS) hosts.more = true;
  else set.add(domain);
}

/** The host of an authority as a browser reads it, lower case; null when it is none. */
function hostOf(authority: string): string | null {
  const url = URL.parse(`http://${authority}`);
  if (url === null) return null;
  const host = url.hostname.replace(/\.$/, "");
  return host.includes(".") || host.startsWith("[") ? host : null;
}
