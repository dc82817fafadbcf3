// The registration list: every check there is, one line each, in the order in which reports name them. Adding a check is
// a file here, a line below and a test with cases. The engine runs them by tier, not by this order.
import { compileRules } from "../ruleset/compile.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { RateStore } from "../state/rate-store.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import { access, accessAtRcpt } from "./access.ts";
import { banned } from "./banned.ts";
import { limits } from "./limits.ts";
import { malformed } from "./malformed.ts";
import { selftest } from "./selftest.ts";

/** The message checks over one snapshot of the rules; made anew for each snapshot. */
export function checksOf(rules: RuleSet): readonly Check<"message">[] {
  return [access(rules), malformed(rules), banned(rules), selftest(rules)];
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
}

/** The rcpt checks over one snapshot of the rules. */
export function rcptChecksOf(rules: RuleSet, means: RcptMeans): RcptChecks {
  const submission = means.rates === null ? [] : [limits(rules, means.rates)];
  const own = [accessAtRcpt(rules), ...submission];
  return { submission, own, inbound: own };
}

/** For tables of what there is: checks that are never run. */
const NO_MEANS: RcptMeans = { rates: { take: async () => ({ count: 0, allowed: true }) } };

/** Every symbol with the check that reports it, under default points: for scores.rules, the documentation, the metrics. */
export function symbolTable(): readonly (SymbolSpec & { readonly check: string })[] {
  const none = compileRules(new Map(), { modes: [], hasOutgoing: false });
  if ("errors" in none) throw new Error("an empty ruleset does not compile");
  const checks = [...checksOf(none.ok), ...rcptChecksOf(none.ok, NO_MEANS).inbound];
  const named = new Map<string, SymbolSpec & { readonly check: string }>();
  for (const { name, symbols } of checks)
    for (const spec of symbols) named.set(spec.symbol, { ...spec, check: name });
  return [...named.values()];
}
