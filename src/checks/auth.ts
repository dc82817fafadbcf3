// Sender authentication of inbound mail: SPF, DKIM, DMARC, ARC. Facts only: every result is a note, whose detail is the very text
// that Authentication-Results carries; what follows is the operator's (policy `if auth`, senders.rules `if dkim`, scores.rules).
// Asks DNS, and reads the body once if the message is signed.
import { createRequire } from "node:module";
import type { Message } from "../mail/message.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { dkimOf, type DkimOutcome } from "./auth-dkim.ts";
import { lookups, type Resolver } from "./auth-lookups.ts";
import { detailOf, WIDE } from "./auth-results.ts";
import { spfOf, type SpfOutcome } from "./auth-spf.ts";
import { authorsOf } from "./authors.ts";
import { pointsOf } from "./points.ts";

const MEANINGS = {
  SPF_PASS: "The client may send mail for the domain of the envelope sender.",
  SPF_FAIL: "The domain of the envelope sender says that this client must not send for it.",
  SPF_SOFTFAIL: "The domain of the envelope sender says that this client probably must not.",
  SPF_NEUTRAL: "The domain of the envelope sender says nothing about this client.",
  SPF_NONE: "The domain of the envelope sender has no SPF record.",
  SPF_TEMPERROR: "SPF could not be evaluated now: DNS gave no answer.",
  SPF_PERMERROR: "The SPF record of the sender's domain is wrong.",
  DKIM_PASS: "A DKIM signature is good.",
  DKIM_FAIL: "A DKIM signature does not fit the message.",
  DKIM_NEUTRAL: "A DKIM signature could not be read, or has expired.",
  DKIM_POLICY: "A DKIM signature is good but too weak, or covers part of the body only.",
  DKIM_NONE: "The message is not signed with DKIM.",
  DKIM_TEMPERROR: "A DKIM key could not be had now: DNS gave no answer.",
  DKIM_PERMERROR: "A DKIM key is missing or wrong.",
  DMARC_PASS: "SPF or DKIM passed for the domain in From.",
  DMARC_FAIL: "Neither SPF nor DKIM passed for the domain in From, which asks for nothing.",
  DMARC_FAIL_QUARANTINE: "The same, and the domain asks for quarantine.",
  DMARC_FAIL_REJECT: "The same, and the domain asks for rejection.",
  DMARC_NONE: "The domain in From has no DMARC record.",
  DMARC_TEMPERROR: "DMARC could not be evaluated now: DNS gave no answer.",
  DMARC_PERMERROR: "From names no domain, or several.",
  ARC_PASS: "The ARC chain of the hosts that passed the message on is good.",
  ARC_FAIL: "The ARC chain is broken.",
} as const;
type AuthSymbol = keyof typeof MEANINGS;

const SYMBOLS: readonly SymbolSpec[] = Object.entries(MEANINGS).map(([symbol, meaning]) => ({
  symbol,
  category: "note",
  score: 0,
  meaning,
}));

/** Time for everything that DNS is asked; what is late is a temperror, and the message goes on. */
const DEADLINE_MS = 12_000;
const MAX_QUESTIONS = 250;

interface Dmarc {
  dmarc(options: Record<string, unknown>): Promise<
    | false
    | {
        readonly status: { readonly result: string; readonly header?: { readonly from?: string } };
        readonly policy?: string;
      }
  >;
}
let loaded: Dmarc | null = null;

/**
 * The check over one resolver. Outbound mail is not looked at: our own users are known by their login. What DNS has not
 * answered after `deadlineMs` is a temperror.
 */
export const auth = (
  rules: RuleSet,
  resolver: Resolver,
  deadlineMs: number = DEADLINE_MS,
): Check<"message"> => ({
  name: "auth",
  stage: "message",
  tier: "client",
  symbols: SYMBOLS,
  async run(message, { signal }) {
    if (message.envelope.origin === "outbound") return [];
    const dns = lookups(resolver, { deadlineMs, maxQuestions: MAX_QUESTIONS, signal });
    try {
      return await evaluate(message, dns.resolve, rules, signal);
    } finally {
      dns.end();
    }
  },
});

async function evaluate(
  message: Message,
  resolver: Resolver,
  rules: RuleSet,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { envelope, header, body } = message;
  const { client } = envelope;
  const [spf, dkim] = await Promise.all([
    spfOf(client, client.helo, envelope.sender, resolver, signal),
    dkimOf(header, body, resolver, signal),
  ]);
  const found: Finding[] = [];
  const add = (symbol: string, detail: string): void => {
    const spec = SYMBOLS.find((one) => one.symbol === symbol);
    if (spec === undefined) return;
    found.push({ check: "auth", symbol, category: "note", score: pointsOf(rules, spec), detail });
  };
  if (spf !== null) add(`SPF_${spf.result.toUpperCase()}`, spfDetail(spf));
  if (dkim.signatures.length === 0) add("DKIM_NONE", detailOf("dkim", "none", null, []));
  for (const one of dkim.signatures)
    add(
      `DKIM_${one.result.toUpperCase()}`,
      detailOf("dkim", one.result, one.comment, [
        ["header.d", one.domain],
        ["header.s", one.selector],
        ["header.a", one.algorithm],
        ["header.b", one.signature],
      ]),
    );
  const dmarc = await dmarcOf(message, spf, dkim, resolver);
  if (dmarc !== null) add(dmarc.symbol, dmarc.detail);
  if (dkim.arc !== null) {
    const { result, instance, domain, comment } = dkim.arc;
    const chain = [`i=${instance}`, domain, comment].filter((word) => word !== null && word !== "");
    add(result === "pass" ? "ARC_PASS" : "ARC_FAIL", detailOf("arc", result, chain.join(" "), []));
  }
  return found;
}

function spfDetail({ result, identity, domain, wide }: SpfOutcome): string {
  const property = identity === "helo" ? "smtp.helo" : "smtp.mailfrom";
  return detailOf("spf", result, wide ? WIDE : null, [[property, domain]]);
}

/** Null when nothing may be claimed: neither passed, and SPF could not be asked for want of a client. */
async function dmarcOf(
  message: Message,
  spf: SpfOutcome | null,
  dkim: DkimOutcome,
  resolver: Resolver,
): Promise<{ symbol: AuthSymbol; detail: string } | null> {
  loaded ??= createRequire(import.meta.url)("mailauth/lib/dmarc/index.js") as Dmarc;
  const authors = dkim.authors ?? {
    addresses: authorsOf(message.header).map(({ raw }) => raw),
    fields: message.header.fields.filter(({ name }) => name.toLowerCase() === "from").length,
  };
  const answer = await loaded.dmarc({
    headerFrom: authors.addresses,
    fromFields: authors.fields,
    spfDomains: spf?.result === "pass" ? [{ domain: spf.domain }] : [],
    dkimDomains: dkim.signatures
      .filter(({ result }) => result === "pass")
      .map(({ domain }) => ({ domain })),
    resolver,
    strict: true,
  });
  if (answer === false)
    return { symbol: "DMARC_PERMERROR", detail: detailOf("dmarc", "permerror", null, []) };
  const { result, header } = answer.status;
  const from: [string, string][] = [["header.from", header?.from ?? ""]];
  const word = (name: AuthSymbol, text: string, comment: string | null = null) => ({
    symbol: name,
    detail: detailOf("dmarc", text, comment, from),
  });
  switch (result) {
    case "pass":
      return word("DMARC_PASS", "pass");
    case "none":
      return word("DMARC_NONE", "none");
    case "fail":
      return spf === null ? null : word(failure(answer.policy), "fail", `p=${answer.policy}`);
    case "temperror":
      return word("DMARC_TEMPERROR", "temperror");
    default:
      return word("DMARC_PERMERROR", "permerror");
  }
}

function failure(policy: string | undefined): AuthSymbol {
  if (policy === "reject") return "DMARC_FAIL_REJECT";
  return policy === "quarantine" ? "DMARC_FAIL_QUARANTINE" : "DMARC_FAIL";
}
