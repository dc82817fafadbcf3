// Patterns for envelope addresses: user@example.com, user@, example.com, .example.com, globs, regular expressions, <>.
// Their meaning is that of amavis' look-up keys; unlike there, the order of the file decides, not the most specific key.
// Used by senders.rules, recipients.rules and the `for` lines of policy.rules.
import { domainToASCII } from "node:url";
import type { Address } from "../mail/address.ts";
import { positions } from "./first-match.ts";
import { globTest, isGlob, isRegex, regexTest } from "./patterns.ts";

/** RFC 5321 4.5.3.1 allows 64 + 255; longer subjects are cut before a pattern sees them. */
const MAX_SUBJECT = 512;
const MAX_LABELS = 32;

export interface AddressList {
  /** Adds a pattern for the rule at `position` (ascending); a message when the pattern is wrong, else null. */
  add(pattern: string, position: number): string | null;
  /** Positions of all rules that match, ascending. A null address is the null sender. */
  all(address: Address | null): readonly number[];
}

/** An empty list. */
export function addressList(): AddressList {
  const list = positions();
  return {
    add(pattern, position) {
      if (isRegex(pattern) || isGlob(pattern)) {
        if (pattern === "*") return (list.key(".", position), null);
        const compiled = isRegex(pattern) ? regexTest(pattern) : globTest(asciiDomain(pattern));
        if ("error" in compiled) return compiled.error;
        list.test(compiled.ok, position);
        return null;
      }
      const key = addressKey(pattern);
      if (typeof key === "string") return (list.key(key, position), null);
      return key.error;
    },
    all: (address) =>
      address === null ? list.all(["<>"], "") : list.all(keysOf(address), subjectOf(address)),
  };
}

/** The address as patterns see it: lower case, local part without quotes. */
export function subjectOf(address: Address): string {
  return `${fold(address.local)}@${address.domain}`.slice(-MAX_SUBJECT);
}

/** amavis' keys of an address, most specific first; "." is everything. */
export function keysOf(address: Address): readonly string[] {
  const local = fold(address.local).slice(0, MAX_SUBJECT);
  const domain = address.domain.slice(-MAX_SUBJECT);
  const plus = local.indexOf("+", 1);
  const user = plus > 0 ? local.slice(0, plus) : null;
  const keys = [`${local}@${domain}`];
  if (user !== null) keys.push(`${user}@${domain}`);
  keys.push(`${local}@`);
  if (user !== null) keys.push(`${user}@`);
  keys.push(domain, ...suffixKeys(domain));
  return keys;
}

/** ".sub.example.com", ".example.com", ".com", "." for "sub.example.com". */
export function suffixKeys(domain: string): readonly string[] {
  const keys: string[] = [];
  if (domain !== "") {
    keys.push(`.${domain}`);
    for (
      let dot = domain.indexOf(".");
      dot >= 0 && keys.length < MAX_LABELS;
      dot = domain.indexOf(".", dot + 1)
    )
      if (dot > 0) keys.push(domain.slice(dot));
  }
  keys.push(".");
  return keys;
}

/** The key under which an exact pattern is stored, or why it is none. */
function addressKey(pattern: string): string | { readonly error: string } {
  if (pattern === "<>" || pattern === ".") return pattern;
  const text = asciiDomain(pattern);
  const at = text.lastIndexOf("@");
  const domain = text.slice(at + 1);
  if (at === 0)
    return {
      error: `"${pattern}" has no local part; for a whole domain write ${domain || "the domain"}`,
    };
  if (at > 0 && domain === "") return text;
  if (at > 0 && /^\[[^\]\s]+\]$/.test(domain)) return text;
  if (isDomain(at < 0 && domain.startsWith(".") ? domain.slice(1) : domain)) return text;
  return {
    error: `"${pattern}" is no address pattern: user@example.com, user@, example.com, .example.com, a glob or a /regex/`,
  };
}

/** Whether the text can be a domain name in A-labels (underscores allowed). */
export function isDomain(text: string): boolean {
  return (
    text.length <= 255 &&
    /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/.test(text)
  );
}

/** Lower case, with the domain's U-labels as A-labels. */
function asciiDomain(pattern: string): string {
  const text = fold(pattern);
  const at = text.lastIndexOf("@");
  const domain = text.slice(at + 1);
  if (/^[\x00-\x7f]*$/.test(domain)) return text;
  const dot = domain.startsWith(".") ? "." : "";
  return text.slice(0, at + 1) + dot + domainToASCII(domain.slice(dot.length));
}

function fold(text: string): string {
  const lower = text.toLowerCase();
  return /^[\x00-\x7f]*$/.test(lower) ? lower : lower.normalize("NFC");
}
