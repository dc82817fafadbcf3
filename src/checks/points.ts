// What a symbol is worth: the operator's line in scores.rules, else the check's own default. Called by every check.
import type { RuleSet } from "../ruleset/compile.ts";
import type { SymbolSpec } from "../verdict/check.ts";

/** Points of a symbol under this snapshot. */
export function pointsOf(rules: RuleSet, spec: SymbolSpec): number {
  return rules.scoreOf(spec.symbol) ?? spec.score;
}
