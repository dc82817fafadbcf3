// scores.rules: `virus-score PATTERN NUMBER`: names of the virus scanner that count as points instead of as a virus: its heuristics
// about phishing, unwanted programs, third parties' signatures for spam. Called by compile.ts; asked by the virus check.
import type { RuleError } from "./errors.ts";
import type { Line, Verbs } from "./grammar.ts";
import { globTest, isRegex, regexTest, type Test } from "./patterns.ts";

export const VIRUS_NAME_VERBS: Verbs = {
  "virus-score": { words: [2, 2], usage: "virus-score PATTERN NUMBER" },
};

/** The points of a virus name, by the first line that matches it; null: it is a virus. */
export type VirusScoreOf = (name: string) => number | null;

export function compileVirusNames(lines: readonly Line[], errors: RuleError[]): VirusScoreOf {
  const rules: { readonly test: Test; readonly glob: boolean; readonly points: number }[] = [];
  for (const { file, line, words } of lines) {
    const [pattern = "", number = ""] = words;
    const compiled = isRegex(pattern) ? regexTest(pattern) : globTest(pattern);
    if ("error" in compiled) errors.push({ file, line, message: compiled.error });
    else if (!/^[+-]?\d{1,6}(\.\d{1,6})?$/.test(number))
      errors.push({ file, line, message: `"${number}" is no number of points` });
    else rules.push({ test: compiled.ok, glob: !isRegex(pattern), points: Number(number) });
  }
  return (name) => {
    const lower = name.toLowerCase();
    return rules.find(({ test, glob }) => test(glob ? lower : name))?.points ?? null;
  };
}
