// The registration list: every check there is, one line each, in the order in which reports name them. Adding a check is
// a file here, a line below and a test with cases. The engine runs them by tier, not by this order.
import { compileRules } from "../ruleset/compile.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import { access } from "./access.ts";
import { banned } from "./banned.ts";
import { malformed } from "./malformed.ts";
import { selftest } from "./selftest.ts";

/** The message checks over one snapshot of the rules; made anew for each snapshot. */
export function checksOf(rules: RuleSet): readonly Check<"message">[] {
  return [access(rules), malformed(rules), banned(rules), selftest(rules)];
}

/** Every symbol with the check that reports it, under default points: for scores.rules, the documentation, the metrics. */
export function symbolTable(): readonly (SymbolSpec & { readonly check: string })[] {
  const none = compileRules(new Map(), { modes: [], hasOutgoing: false });
  if ("errors" in none) throw new Error("an empty ruleset does not compile");
  return checksOf(none.ok).flatMap(({ name, symbols }) =>
    symbols.map((spec) => ({ ...spec, check: name })),
  );
}
