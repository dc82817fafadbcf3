// SPF (RFC 7208) by mailauth over an injected resolver, for the auth check and, at RCPT, for the policy service and greylisting.
// Beyond the result word it tells whether a pass is worth anything: "+all" and half the Internet pass too.
import { createRequire } from "node:module";
import type { Address } from "../mail/address.ts";
import { canonicalIp } from "../mail/ip.ts";
import { lookups, type Resolver } from "./auth-lookups.ts";

export type SpfWord = "pass" | "fail" | "softfail" | "neutral" | "none" | "temperror" | "permerror";

export interface SpfOutcome {
  readonly result: SpfWord;
  /** Which identity was asked about: MAIL FROM, or HELO for the null sender (RFC 7208 2.4). */
  readonly identity: "mailfrom" | "helo";
  /** Its domain, lower case, A-labels; "" when the session named none. */
  readonly domain: string;
  /**
   * Only for pass: the record also lets pass a host outside the client's /16 (IPv6: /32) that a wider range would hold:
   * "+all", or a network wider than that. Such a pass says nothing about who sends.
   */
  readonly wide: boolean;
}

interface MailauthSpf {
  spf(options: Record<string, unknown>): Promise<{ status: { result: string } }>;
}

const WORDS: ReadonlySet<string> = new Set<SpfWord>([
  ...(["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"] as const),
]);
/** RFC 7208 4.6.4 asks for at least 20 s of patience; a client that waits at RCPT has less. */
const DEADLINE_MS = 8_000;
/** 10 terms, each of which may be an MX or PTR with 10 hosts, for the client and once more for its neighbour. */
const MAX_QUESTIONS = 120;
const DOMAIN = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+$/;

let loaded: MailauthSpf | null = null;
/** Loaded on first use: it pulls in a schema validator. */
function mailauth(): MailauthSpf {
  loaded ??= createRequire(import.meta.url)("mailauth/lib/spf/index.js") as MailauthSpf;
  return loaded;
}

/**
 * The SPF result for a client at `client.address`; null when there is nothing to ask: the address is unknown, or loopback,
 * which no record can name. Never rejects; what DNS does not answer within `deadlineMs` is a temperror.
 */
export async function spfOf(
  client: { readonly address: string | null },
  helo: string | null,
  sender: Address | null,
  resolver: Resolver,
  signal: AbortSignal,
  deadlineMs: number = DEADLINE_MS,
): Promise<SpfOutcome | null> {
  const ip = client.address === null ? null : canonicalIp(client.address);
  if (ip === null || ip === "::1" || ip.startsWith("127.")) return null;
  const identity = sender === null ? "helo" : "mailfrom";
  const domain = (sender === null ? helo : sender.domain)?.toLowerCase().replace(/\.$/, "") ?? "";
  if (!DOMAIN.test(domain) || canonicalIp(domain) !== null)
    return { result: "none", identity, domain: "", wide: false };
  const dns = lookups(resolver, { deadlineMs, maxQuestions: MAX_QUESTIONS, signal });
  const ask = async (address: string): Promise<SpfWord> => {
    const { status } = await mailauth().spf({
      ip: address,
      helo: helo ?? domain,
      ...(sender !== null && { sender: `${sender.local}@${domain}` }),
      mta: "unknown",
      resolver: dns.resolve,
      strict: true,
    });
    return WORDS.has(status.result) ? (status.result as SpfWord) : "permerror";
  };
  try {
    const result = await ask(ip);
    const wide = result === "pass" && (await ask(neighbour(ip))) === "pass";
    return { result, identity, domain, wide };
  } finally {
    dns.end();
  }
}

/** The address with bit 16 (IPv6: 32) turned over: outside the client's /16 (/32), inside every wider network around it. */
function neighbour(ip: string): string {
  if (!ip.includes(":")) {
    const octets = ip.split(".").map(Number);
    octets[1] = (octets[1] ?? 0) ^ 1;
    return octets.join(".");
  }
  const [front = "", back] = ip.split("::");
  const head = front === "" ? [] : front.split(":");
  const tail = back === undefined || back === "" ? [] : back.split(":");
  const zeros = new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  const groups = [...head, ...zeros, ...tail];
  groups[1] = (Number.parseInt(groups[1] ?? "0", 16) ^ 1).toString(16);
  return groups.join(":");
}
