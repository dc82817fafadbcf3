// The two public test strings, recognised without any engine, so that an operator can try every fate on a fresh install:
// EICAR counts as a virus, GTUBE as spam. The walker marks the parts that hold them; this check only names them.
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { pointsOf } from "./points.ts";

const EICAR: SymbolSpec = {
  symbol: "SELFTEST_EICAR",
  category: "virus",
  score: 0,
  meaning: "A part holds the EICAR anti-virus test file.",
};
const GTUBE: SymbolSpec = {
  symbol: "GTUBE",
  category: "spam",
  score: 1000,
  meaning: "A part holds the Generic Test for Unsolicited Bulk Email.",
};
const SPECS = [
  { mark: "EICAR", spec: EICAR, detail: "Eicar-Test-Signature" },
  { mark: "GTUBE", spec: GTUBE, detail: "Generic Test for Unsolicited Bulk Email" },
] as const;

/** The check: at most one finding per test string. GTUBE is left to a scorer that there is: its answer shows that it is asked. */
export const selftest = (rules: RuleSet, hasScorer = false): Check<"message"> => ({
  name: "selftest",
  stage: "message",
  tier: "content",
  symbols: [EICAR, GTUBE],
  async run(message) {
    const { parts } = await message.tree();
    const found: Finding[] = [];
    for (const { mark, spec, detail } of SPECS) {
      if (mark === "GTUBE" && hasScorer) continue;
      if (!parts.some((part) => part.marks.includes(mark))) continue;
      const { symbol, category } = spec;
      found.push({ check: "selftest", symbol, category, score: pointsOf(rules, spec), detail });
    }
    return found;
  },
});
