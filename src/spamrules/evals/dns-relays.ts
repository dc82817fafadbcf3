// What SpamAssassin's DNSEval plugin asks: the relays, senders and reply addresses of a message in lists of addresses and domains.
import { lower } from "../message/octets.ts";
import { IP_SOURCE, isIp, isPrivateIp } from "../received/addresses.ts";
import { networks } from "../received/networks.ts";
import type { Rule, RuleBook } from "../rulebook.ts";
import type { Subject } from "../subject.ts";
import { boundariesFor, isFqdn } from "../uri/domain.ts";
import { reversedIp, isActive, type Ask, type AnswerTest, type Questions } from "./dns-question.ts";

/** Relays asked about. */
const MOST_RELAYS = 9;
const HEADERS = "EnvelopeFrom,Reply-To,Disposition-Notification-To,X-WebmailclientIP,X-Source-IP";
const ADDRESS_IN_TEXT = new RegExp(IP_SOURCE, "g");

interface Call {
  readonly rule: Rule;
  readonly name: string;
  readonly args: readonly string[];
}

/** `senders`: all addresses that the message says it comes from. */
export function askAboutRelays(
  book: RuleBook,
  subject: Subject,
  scoreSet: number,
  senders: readonly string[],
  questions: Questions,
): void {
  const calls = callsOf(book, scoreSet);
  const sets = new Map<string, Ask[]>();
  for (const { rule, name, args } of calls)
    if (name === "check_rbl_sub" && args[1] !== undefined)
      sets.set(args[0] ?? "", [...(sets.get(args[0] ?? "") ?? []), askFor(rule, args[1])]);
  let seen: Origins | null | undefined;
  for (const call of calls) {
    const [set = "", zone, test] = call.args;
    if (zone === undefined || call.name === "check_rbl_sub") continue;
    const list = zone.replace(/\.+$/, "");
    const asks = [askFor(call.rule, test), ...(sets.get(set) ?? [])];
    const type = call.name === "check_rbl_txt" ? "TXT" : "A";
    if (/^check_rbl(?:_txt|_accreditor)?$/.test(call.name)) {
      if (call.name === "check_rbl_accreditor" && !isAccredited(subject, call.args[3] ?? ""))
        continue;
      seen ??= seen === undefined ? originsOf(book, subject) : null;
      if (seen === null) continue;
      for (const ip of pick(seen, set, call.rule)) {
        const name = reversedIp(ip);
        if (name !== null) questions.ask(`${name}.${list}`, type, asks);
      }
    } else
      for (const host of hostsOf(call, book, subject, senders))
        questions.ask(`${host}.${list}`, type, asks);
  }
}

function callsOf(book: RuleBook, scoreSet: number): Call[] {
  const calls: Call[] = [];
  for (const rule of book.rules.values()) {
    const { definition } = rule;
    if (definition.type !== "eval" || !definition.function.startsWith("check_rbl")) continue;
    if (isActive(rule, scoreSet))
      calls.push({ rule, name: definition.function, args: definition.args });
  }
  return calls;
}

function askFor(rule: Rule, test: string | undefined): Ask {
  return { rule: rule.name, types: ["A", "TXT"], loopback: true, test: testFor(test), about: "" };
}

/** A number is a mask, an address is meant as such, anything else is a pattern. */
function testFor(text: string | undefined): AnswerTest | null {
  if (text === undefined) return null;
  if (/^\d+$/.test(text)) return { kind: "mask", mask: Number(text) };
  if (/^\d+(?:\.\d+){3}$/.test(text)) return { kind: "equal", text };
  return { kind: "pattern", pattern: { source: text, flags: "" } };
}

/** Addresses of hops, nearest first. */
interface Origins {
  readonly untrusted: readonly string[];
  readonly external: readonly string[];
  /** Of X-Originating-IP and its like, not trusted. */
  readonly originating: readonly string[];
  isTrusted(ip: string): boolean;
}

function originsOf(book: RuleBook, subject: Subject): Origins | null {
  const { settings } = book;
  const trusted = networks(settings.trustedNetworks, true);
  const all = subject.relays.untrusted.map(({ ip }) => ip);
  const outside = subject.relays.trusted.filter(({ internal }) => !internal).map(({ ip }) => ip);
  const originating = settings.originatingIpHeaders.flatMap(
    (field) => subject.get(field)?.match(ADDRESS_IN_TEXT) ?? [],
  );
  const untrusted = publicOnes(all);
  if (untrusted.length + originating.length === 0) return null;
  return {
    untrusted,
    external: publicOnes([...outside, ...all]),
    originating: originating.filter((ip) => !trusted.contains(ip)),
    isTrusted: (ip) => trusted.contains(ip),
  };
}

function publicOnes(ips: readonly string[]): string[] {
  return [...new Set(ips)].filter((ip) => ip !== "" && !isPrivateIp(ip));
}

/** Which hops the end of a set's name means: the oldest first without one. */
function pick(origins: Origins, set: string, rule: Rule): string[] {
  const depth = /-(notfirsthop|lastexternal|firsttrusted|untrusted)$/.exec(set)?.[1];
  const external = [...origins.external];
  const others = publicOnes([...origins.untrusted, ...origins.originating]);
  let ips: string[];
  if (depth === "lastexternal") ips = external.slice(0, 1);
  else if (depth === "notfirsthop") ips = external.slice(0, external.length > 1 ? -1 : undefined);
  else if (depth === "firsttrusted") ips = others.slice(0, 1);
  else if (depth === "untrusted") ips = others.slice(1);
  else ips = others.reverse();
  ips = ips.slice(0, MOST_RELAYS);
  if (!rule.flags.has("nice"))
    while (ips[0] !== undefined && origins.isTrusted(ips[0])) ips.shift();
  return ips;
}

function hostsOf(
  call: Call,
  book: RuleBook,
  subject: Subject,
  senders: readonly string[],
): string[] {
  const boundaries = boundariesFor(book.settings);
  switch (call.name) {
    case "check_rbl_from_host":
      return named(book, call.rule, senders.map(hostOfAddress));
    case "check_rbl_from_domain":
      return named(
        book,
        call.rule,
        senders.map((sender) => boundaries.ofUri(sender)?.domain),
      );
    case "check_rbl_envfrom":
      return named(book, call.rule, subject.getAll("EnvelopeFrom:addr").map(hostOfAddress));
    case "check_rbl_rcvd": {
      const { ip, by, helo, rdns } = subject.relays.untrusted.at(-1) ?? {};
      return named(
        book,
        call.rule,
        [ip, by, helo, rdns].map((host) => host?.replace(/\.$/, "")),
      );
    }
    case "check_rbl_headers":
      return named(book, call.rule, headerHosts(call, book, subject));
    default:
      return []; // check_rbl_ns_from asks for what resolvers seldom tell
  }
}

function headerHosts(call: Call, book: RuleBook, subject: Subject): (string | undefined)[] {
  const fields = call.args[3] ?? book.settings.others.get("rbl_headers")?.at(-1) ?? HEADERS;
  return fields.split(",").flatMap((field) => {
    const host = hostOfAddress(subject.get(`${field}:addr`) ?? "");
    return host === undefined ? (subject.get(field) ?? "").split("\n") : [host];
  });
}

function hostOfAddress(address: string): string | undefined {
  const host = /@([^@\t-\r ]+)/.exec(address)?.[1];
  const plain = host?.replace(/^\.+|\.+$/g, "").replace(/\.+/g, ".");
  return plain?.includes(".") === true ? lower(plain) : undefined;
}

/** Names to ask for, each once; addresses reversed. tflags domains_only and ips_only leave one kind out. */
function named(
  book: RuleBook,
  rule: Rule,
  hosts: readonly (string | null | undefined)[],
): string[] {
  const boundaries = boundariesFor(book.settings);
  const found = new Set<string>();
  for (const host of hosts) {
    if (host === undefined || host === null || host === "") continue;
    if (isIp(host)) {
      const name = rule.flags.has("domains_only") ? null : reversedIp(host);
      if (name !== null) found.add(name);
    } else if (!rule.flags.has("ips_only") && isFqdn(host) && boundaries.isValid(host))
      found.add(host);
  }
  return [...found];
}

/** "a--NAME" in the domain of the sender, or in an Accreditor field. */
function isAccredited(subject: Subject, name: string): boolean {
  const sender = subject.get("EnvelopeFrom:addr") ?? "";
  const tags = [/[@.]a--([a-z0-9]{3,})\./i.exec(sender)?.[1] ?? ""];
  for (const part of (subject.get("Accreditor") ?? "").split(","))
    tags.push(part.trim().split(/\s+/)[0] ?? "");
  return name !== "" && tags.some((tag) => lower(tag) === name);
}
