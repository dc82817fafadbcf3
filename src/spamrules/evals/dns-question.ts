// Questions to DNS that rules want asked, as plain data: the engine's thread has no network, so they travel to who has, and the answers
// back. Which rule asks what is in dns-relays.ts, dns-uris.ts, dns-ask.ts and dns-hashes.ts; dns.ts puts it together.
import { isIpv4 } from "../received/addresses.ts";
import { ipNumber } from "../received/networks.ts";
import { compilePerl } from "../pattern/translate.ts";
import type { PerlPattern, Rule, Settings } from "../rulebook.ts";

/** How the text of a record is looked at. Numbers are IPv4 addresses as such. */
export type AnswerTest =
  | { readonly kind: "pattern"; readonly pattern: PerlPattern }
  | { readonly kind: "equal"; readonly text: string }
  /** Any of these bits, in 127/8. */
  | { readonly kind: "mask"; readonly mask: number }
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  | { readonly kind: "masked"; readonly value: number; readonly mask: number }
  /** The return code of the answer, whatever records it has. */
  | { readonly kind: "codes"; readonly codes: readonly number[] };

/** What makes a rule hit. */
export interface Ask {
  readonly rule: string;
  /** Records looked at; "ANY" is all. */
  readonly types: readonly string[];
  /** A records outside of 127/8 do not count. */
  readonly loopback: boolean;
  /** null: any record. */
  readonly test: AnswerTest | null;
  /** What was listed, for reports. */
  readonly about: string;
}

/** A list to look something up in. */
export interface Zone {
  readonly zone: string;
  readonly type: string;
  readonly ask: Ask;
}

/** What to look up of the records that come. */
export interface FollowUp {
  /** The records' addresses, reversed. */
  readonly addresses: readonly Zone[];
  /** Name servers, by their registered domain and whole, and their addresses. */
  readonly domains: readonly Zone[];
  readonly names: readonly Zone[];
  readonly addressesOfNames: readonly Zone[];
}

export interface DnsQuestion {
  /** ASCII, without a dot at the end. */
  readonly name: string;
  /** A, TXT, NS … or ANY. */
  readonly type: string;
  readonly asks: readonly Ask[];
  readonly followUp: FollowUp | null;
}

/** code: RCODE of DNS (0 no error, 3 no such name). text: the address, the strings of a TXT joined, or the data as in a zone file. */
export interface DnsReply {
  readonly code: number;
  readonly records: readonly { readonly type: string; readonly text: string }[];
}

/** Questions, each name and type once; those that the rules forbid (dns_query_restriction) are left out. */
export class Questions {
  private readonly byKey = new Map<
    string,
    { name: string; type: string; asks: Ask[]; followUp: FollowUp | null }
  >();
  private readonly blocked: ReadonlyMap<string, boolean>;

  constructor(settings: Settings) {
    this.blocked = restrictions(settings);
  }

  ask(name: string, type: string, asks: readonly Ask[], followUp: FollowUp | null = null): void {
    const host = name.toLowerCase().replace(/\.+$/, "");
    if (host === "" || host.length > 253 || this.isBlocked(host)) return;
    const key = questionKey({ name: host, type });
    const known = this.byKey.get(key);
    if (!known) this.byKey.set(key, { name: host, type, asks: [...asks], followUp });
    else {
      known.asks.push(...asks);
      known.followUp ??= followUp;
    }
  }

  get list(): readonly DnsQuestion[] {
    return [...this.byKey.values()];
  }

  private isBlocked(name: string): boolean {
    if (this.blocked.size === 0) return false;
    const labels = name.split(".");
    for (let from = 0; from < labels.length; from += 1) {
      const blocked = this.blocked.get(labels.slice(from).join("."));
      if (blocked !== undefined) return blocked;
    }
    return this.blocked.get("*") ?? false;
  }
}

/** How replies are found again. */
export function questionKey({ name, type }: Pick<DnsQuestion, "name" | "type">): string {
  return `${type} ${name}`;
}

function restrictions(settings: Settings): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const line of settings.others.get("dns_query_restriction") ?? []) {
    const [word = "", ...domains] = line.trim().split(/\s+/);
    for (const domain of domains)
      found.set(domain.replace(/^\.|\.$/g, "").toLowerCase(), word.toLowerCase() === "deny");
  }
  return found;
}

/** Whether a reply makes the rule hit. */
export function isHit(ask: Ask, reply: DnsReply): boolean {
  const { test } = ask;
  if (test?.kind === "codes") return test.codes.includes(reply.code);
  return reply.records.some(({ type, text }) => {
    if (!ask.types.includes("ANY") && !ask.types.includes(type)) return false;
    if (ask.loopback && type === "A" && !text.startsWith("127.")) return false;
    return test === null || meets(test, text);
  });
}

function meets(test: Exclude<AnswerTest, { kind: "codes" }>, text: string): boolean {
  if (test.kind === "equal") return text === test.text;
  if (test.kind === "pattern") {
    const pattern = compilePerl(test.pattern);
    return pattern instanceof RegExp && pattern.test(text);
  }
  const number = numberOfIp(text);
  if (number === null) return false;
  if (test.kind === "mask") return text.startsWith("127.") && (number & test.mask) !== 0;
  if (test.kind === "range") return number >= test.from && number <= test.to;
  return (number & test.mask) === (test.value & test.mask);
}

export function numberOfIp(text: string): number | null {
  if (!isIpv4(text)) return null;
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** "4.3.2.1" of 1.2.3.4, 32 nibbles of an IPv6 address; null of anything else. */
export function reversedIp(ip: string): string | null {
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(ip)) return ip.split(".").reverse().join(".");
  const number = ip.includes(":") ? ipNumber(ip) : null;
  return number === null ? null : [...number.toString(16).padStart(32, "0")].reverse().join(".");
}

/** Whether a rule counts in this score set. */
export function isActive(rule: Rule | undefined, scoreSet: number): rule is Rule {
  return rule !== undefined && rule.scores[scoreSet] !== 0;
}

const NUMBER = /^(?:\d{1,10}|0x[0-9a-zA-Z]{1,8}|\d{1,3}(?:\.\d{1,3}){3})$/;

/** "2", "127.0.0.2", "0x02", "127.0.0.2-127.0.0.9", "value/mask"; null when it is none of these. */
export function numericTest(text: string): AnswerTest | null {
  const [whole, first = "", delimiter, second = ""] = /^([^/-]+)(?:([/-])(.+))?$/.exec(text) ?? [];
  if (whole === undefined || !NUMBER.test(first)) return null;
  const from = readNumber(first);
  if (delimiter === undefined)
    return first.includes(".") ? { kind: "range", from, to: from } : { kind: "mask", mask: from };
  if (!NUMBER.test(second)) return null;
  const to = readNumber(second);
  return delimiter === "-"
    ? { kind: "range", from, to }
    : { kind: "masked", value: from, mask: to };
}

function readNumber(text: string): number {
  return numberOfIp(text) ?? (Number(text) || 0);
}
