// The registration list: every check there is, one line each, in the order in which reports name them. Adding a check is
// a file here, a line below and a test with cases. The engine runs them by tier, not by this order.
import { compileRules } from "../ruleset/compile.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { RateStore } from "../state/rate-store.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import { access, accessAtRcpt, accessProven } from "./access.ts";
import { auth } from "./auth.ts";
import type { Resolver } from "./auth-lookups.ts";
import { banned } from "./banned.ts";
import { bulk } from "./bulk.ts";
import { dnsxl, dnsxlAtRcpt, NO_LISTS, type DnsxlMeans } from "./dnsxl.ts";
import { greylist, greylistAtRcpt, NO_GREYLIST, type GreylistMeans } from "./greylist.ts";
import { greylistDelay } from "./greylist-delay.ts";
import { limits } from "./limits.ts";
import { malformed } from "./malformed.ts";
import { selftest } from "./selftest.ts";
import { NO_SCORER, spam, type SpamMeans } from "./spam.ts";
import { NO_SCANNER, virus, type VirusMeans } from "./virus.ts";

/** What message checks ask of the outside. A check whose means are absent is off (scan, cases, tests). */
export interface MessageMeans {
  readonly dnsxl?: DnsxlMeans;
  /** DNS in mailauth's shape, for sender authentication. */
  readonly resolver?: Resolver;
  readonly greylist?: GreylistMeans;
  readonly virus?: VirusMeans;
  readonly spam?: SpamMeans;
}

/** The message checks over one snapshot of the rules; made anew for each snapshot. */
export function checksOf(rules: RuleSet, means: MessageMeans = {}): readonly Check<"message">[] {
  const conditional = rules.senders.rules.some(({ onlyIf }) => onlyIf !== null);
  return [
    access(rules),
    bulk(rules),
    ...(means.resolver === undefined ? [] : [auth(rules, means.resolver)]),
    ...(asksLists(rules, means.dnsxl) ? [dnsxl(rules, means.dnsxl)] : []),
    malformed(rules),
    banned(rules),
    selftest(rules, means.spam !== undefined),
    ...(means.spam === undefined ? [] : [spam(means.spam)]),
    ...(means.virus === undefined ? [] : [virus(rules, means.virus)]),
    ...(conditional ? [accessProven(rules)] : []),
    ...(means.greylist === undefined
      ? []
      : [greylistDelay(means.greylist), greylist(means.greylist)]),
  ];
}

/** The checks of a stream that nobody sent to anybody (the clamd listener): what it holds, and nothing else. */
export function streamChecksOf(rules: RuleSet, means: MessageMeans): readonly Check<"message">[] {
  return checksOf(rules, means.virus === undefined ? {} : { virus: means.virus }).filter(
    ({ tier }) => tier === "content",
  );
}

/** The checks of the policy service, by who asks. */
export interface RcptChecks {
  /** Mail from outside. */
  readonly inbound: readonly Check<"rcpt">[];
  /** Our own users and relays: never judged by where they come from. */
  readonly own: readonly Check<"rcpt">[];
  /** policy_context=submission: how much, and nothing else. */
  readonly submission: readonly Check<"rcpt">[];
}

/** What the rcpt checks ask: nothing else of the outside reaches them. */
export interface RcptMeans {
  /** null: limits.rules is not applied (dry runs). */
  readonly rates: Pick<RateStore, "take"> | null;
  /** Absent: no DNS list is asked. */
  readonly dnsxl?: DnsxlMeans;
  /** Absent: nobody is told to come back. */
  readonly greylist?: GreylistMeans;
}

/** The rcpt checks over one snapshot of the rules. */
export function rcptChecksOf(rules: RuleSet, means: RcptMeans): RcptChecks {
  const { rates } = means;
  // What has no lines says nothing, and is asked at every recipient.
  const submission = rates === null || rules.limits.empty ? [] : [limits(rules, rates)];
  const lists = [rules.clients, rules.senders, rules.recipients];
  const own = lists.some((list) => list.rules.length > 0)
    ? [accessAtRcpt(rules), ...submission]
    : submission;
  const inbound = [
    ...own,
    ...(asksLists(rules, means.dnsxl) ? [dnsxlAtRcpt(rules, means.dnsxl)] : []),
    ...(means.greylist === undefined ? [] : [greylistAtRcpt(means.greylist)]),
  ];
  return { submission, own, inbound };
}

/** Without a line in dnsxl.rules the check is off, but for the tables. */
function asksLists(rules: RuleSet, means: DnsxlMeans | undefined): means is DnsxlMeans {
  return means !== undefined && (rules.dnsxl.sites.length > 0 || means === NO_LISTS);
}

/** For tables of what there is: every check that may be off, over means that are never asked. */
export const ALL_MEANS: MessageMeans = {
  dnsxl: NO_LISTS,
  resolver: async () => [],
  greylist: NO_GREYLIST,
  virus: NO_SCANNER,
  spam: NO_SCORER,
};
/** For the same tables. */
const NO_RATES: Pick<RateStore, "take"> = { take: async () => ({ count: 0, allowed: true }) };

/** Every check of either stage, for the names that rule files may use. A check of both stages stands twice. */
export function allChecks(rules: RuleSet): readonly Pick<Check, "name" | "symbols">[] {
  return [...checksOf(rules, ALL_MEANS), accessAtRcpt(rules), limits(rules, NO_RATES)];
}

/** Every symbol with the check that reports it, under default points: for scores.rules, the documentation, the metrics. */
export function symbolTable(): readonly (SymbolSpec & { readonly check: string })[] {
  const none = compileRules(new Map(), { modes: [], hasOutgoing: false });
  if ("errors" in none) throw new Error("an empty ruleset does not compile");
  const checks = allChecks(none.ok);
  const named = new Map<string, SymbolSpec & { readonly check: string }>();
  for (const { name, symbols } of checks)
    for (const spec of symbols) named.set(spec.symbol, { ...spec, check: name });
  return [...named.values()];
}
