// What `postern rules check` and `postern doctor` say of SpamAssassin's rules: whence they come, how many they are, and which lines
// are wrong.
import type { Config } from "../config.ts";
import type { RuleSource } from "../ruleset/source.ts";
import { mistakes } from "../spam-rules-check.ts";
import { readSpamRules, spamRuleDirectories } from "../spam-rules.ts";
import type { Problem } from "../spamrules/rulebook.ts";
import { cachedScorer } from "../spamrules/score.ts";

export interface AboutSpamRules {
  readonly text: string;
  /** For these a running server keeps the rules that it has. By file and line, as the warnings are. */
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** null when postern does not score by itself, or there are no rules. */
export async function aboutSpamRules(
  config: Config,
  source: RuleSource,
): Promise<AboutSpamRules | null> {
  const data = await readSpamRules(config, source);
  if (data === null) return null;
  const { about } = cachedScorer(data);
  const problems = [...about.problems].sort(byPlace);
  const errors = await mistakes(config, problems);
  const { ruleDirs, siteDirs } = await spamRuleDirectories(config);
  const from = [...(ruleDirs.length > 0 ? ruleDirs : ["rules/spam"]), ...siteDirs].join(", ");
  return {
    text: `spam rules ${about.version.slice(0, 10)} from ${from}: ${about.rules} rules`,
    errors,
    warnings: problems.filter((problem) => !errors.includes(problem)),
  };
}

const byPlace = (a: Problem, b: Problem): number =>
  a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
