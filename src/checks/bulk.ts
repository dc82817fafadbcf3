// Is the message a list's, bulk, or an automaton's (mail/bulk.ts)? A fact that decide() needs for the condition "auth", and
// that an operator may score. No I/O.
import { bulkReason } from "../mail/bulk.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import { BULK_SYMBOL } from "../verdict/decide.ts";
import { pointsOf } from "./points.ts";

const BULK: SymbolSpec = {
  symbol: BULK_SYMBOL,
  category: "note",
  score: 0,
  meaning: "The message comes from a mailing list, is marked as bulk, or is automatic.",
};

/** The check: at most one note, which says by what the message was recognised. */
export const bulk = (rules: RuleSet): Check<"message"> => ({
  name: "bulk",
  stage: "message",
  tier: "known",
  symbols: [BULK],
  async run({ header, envelope }) {
    const reason = bulkReason(header, envelope.sender);
    if (reason === null) return [];
    const { symbol, category } = BULK;
    return [{ check: "bulk", symbol, category, score: pointsOf(rules, BULK), detail: reason }];
  },
});
