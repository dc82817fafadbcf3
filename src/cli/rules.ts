// `postern rules check` compiles the rule files and runs their cases; `postern rules show` prints every line in effective
// order; `postern rules diff DIR` replays the history. Exit code 2 for errors in files, 1 for cases that came out otherwise.
import { existsSync } from "node:fs";
import { oneBuffer } from "../engine/report.ts";
import { benchOf, surroundings } from "../judging.ts";
import { compileAll, RulesError } from "../rules-live.ts";
import { casesOf, runCase, type CaseJudge } from "../ruleset/cases.ts";
import { errorText } from "../ruleset/errors.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import { readRules } from "../ruleset/source.ts";
import { dryJudge } from "./dry-judge.ts";
import { terminalText } from "./escape.ts";
import { openHistory } from "./history-command.ts";
import { parseCommand, UsageError, type Parsed } from "./options.ts";
import { replayer } from "../replay.ts";
import type { Config } from "../config.ts";
import type { RuleSource } from "../ruleset/source.ts";
import { readSpamRules, spamRuleDirectories } from "../spam-rules.ts";
import { cachedScorer } from "../spamrules/score.ts";
import { rulesDiff } from "./rules-diff.ts";

export async function rules(args: readonly string[]): Promise<number> {
  const parsed = parseCommand(args, {
    days: { type: "string" },
    limit: { type: "string" },
    json: { type: "boolean" },
  });
  const { config, positionals } = parsed;
  const [verb, ...more] = positionals;
  if (verb === "diff" && more.length === 1) return diff(more[0] ?? "", parsed);
  if ((verb !== "check" && verb !== "show") || more.length > 0)
    throw new UsageError("rules takes check, show, or diff with a DIR");
  const source = await readRules(config.server.rules_dir);
  if ("errors" in source) throw new RulesError(source.errors);
  const compiled = compileAll(source.ok, config);
  if ("errors" in compiled) throw new RulesError(compiled.errors);
  if (verb === "show") {
    process.stdout.write(`${compiled.ok.show().join("\n")}\n`);
    return 0;
  }
  for (const warning of compiled.warnings) process.stdout.write(`warning: ${errorText(warning)}\n`);
  await checkSpamRules(config, source.ok);
  const bench = benchOf(source.ok, config);
  const around = surroundings(config);
  const judge: CaseJudge = async (facts, message) => {
    // A case stands for itself: its recipients are ours unless it is about outbound mail, whatever the domains here are.
    const local = (): boolean => facts.origin !== "outbound";
    const { judgement } = await dryJudge(oneBuffer(message), facts, bench, around, config, local);
    return judgement.judged.map(({ recipient, verdict }) => ({
      recipient: recipient.address.raw,
      disposition: verdict.disposition,
      category: verdict.category,
      quarantine: verdict.quarantine,
      folder: verdict.folder,
      symbols: verdict.findings.map((finding) => finding.symbol),
    }));
  };
  const { cases, errors } = casesOf(source.ok);
  if (errors.length > 0) throw new RulesError(errors);
  let failed = 0;
  for (const test of cases) {
    const complaints = await runCase(test, judge);
    if (complaints.length > 0) failed++;
    for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
  }
  process.stdout.write(
    `rules ${compiled.ok.version} from ${config.server.rules_dir}: ${cases.length - failed} of ${cases.length} cases passed\n`,
  );
  return failed === 0 ? 0 : 1;
}

/** What SpamAssassin's rules are, and which of their lines were not understood: that is never an error, nor is it with SpamAssassin. */
async function checkSpamRules(config: Config, source: RuleSource): Promise<void> {
  const data = await readSpamRules(config, source);
  if (data === null) return;
  const { about } = cachedScorer(data);
  for (const { file, line, message } of about.problems)
    process.stdout.write(`warning: ${file}:${line}: ${terminalText(message)}\n`);
  const { ruleDirs, siteDirs } = await spamRuleDirectories(config);
  const from = ruleDirs.length > 0 ? [...ruleDirs, ...siteDirs] : ["rules/spam", ...siteDirs];
  process.stdout.write(
    `spam rules ${about.version.slice(0, 10)} from ${from.join(", ")}: ${about.rules} rules, ${about.problems.length} problems\n`,
  );
}

/** The recorded mail of some days under the rules in `dir`. */
async function diff(dir: string, { config, values }: Parsed): Promise<number> {
  const whole = (name: string, otherwise: number): number => {
    const text = values[name] ?? String(otherwise);
    if (typeof text !== "string" || !/^[1-9]\d{0,5}$/.test(text))
      throw new UsageError(`--${name} takes a number`);
    return Number(text);
  };
  const [days, limit] = [whole("days", 7), whole("limit", 50)];
  const compiled = async (from: string): Promise<RuleSet> => {
    const source = await readRules(from);
    if ("errors" in source) throw new RulesError(source.errors);
    const result = compileAll(source.ok, config);
    if ("errors" in result) throw new RulesError(result.errors);
    return result.ok;
  };
  // A misspelt path would show what no rules at all would do.
  if (!existsSync(dir)) throw new UsageError(`there is no directory ${dir}`);
  const [next, current] = [await compiled(dir), await compiled(config.server.rules_dir)];
  const reader = openHistory(config);
  try {
    const now = Date.now();
    return await rulesDiff({
      rows: reader.rows(now - days * 86_400_000, now + 1),
      replayer: replayer(next, current),
      limit,
      json: values["json"] === true,
      out: (text) => void process.stdout.write(text),
    });
  } finally {
    reader.close();
  }
}
