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
import { aboutSpamRules } from "./spam-rules-about.ts";
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
  const taken = await checkSpamRules(config, source.ok);
  const passed = await runCases(source.ok, config, compiled.ok.version);
  if (!taken) return 2;
  return passed ? 0 : 1;
}

/** Judges every case and tells those that came out otherwise; whether none did. */
async function runCases(source: RuleSource, config: Config, version: string): Promise<boolean> {
  const bench = benchOf(source, config);
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
  const { cases, errors } = casesOf(source);
  if (errors.length > 0) throw new RulesError(errors);
  let failed = 0;
  for (const test of cases) {
    const complaints = await runCase(test, judge);
    if (complaints.length > 0) failed++;
    for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
    if (complaints.length > 0 && test.file.startsWith("rules/cases/"))
      process.stdout.write(
        `  if that is what you want, say so in rules/local.d/${test.file.slice("rules/".length)}, which takes its place\n`,
      );
  }
  process.stdout.write(
    `rules ${version} from ${config.server.rules_dir}: ${cases.length - failed} of ${cases.length} cases passed\n`,
  );
  return failed === 0;
}

/** What SpamAssassin's rules are, and which of their lines were not understood; whether a running server would take them. */
async function checkSpamRules(config: Config, source: RuleSource): Promise<boolean> {
  const about = await aboutSpamRules(config, source);
  if (about === null) return true;
  for (const warning of about.warnings)
    process.stdout.write(`warning: ${terminalText(errorText(warning))}\n`);
  for (const error of about.errors)
    process.stdout.write(`error: ${terminalText(errorText(error))}\n`);
  process.stdout.write(
    `${about.text}, ${about.errors.length} errors, ${about.warnings.length} warnings\n`,
  );
  if (about.errors.length > 0)
    process.stdout.write("a running postern keeps its old spam rules until that is mended\n");
  return about.errors.length === 0;
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
