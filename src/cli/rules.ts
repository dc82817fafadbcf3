// `postern rules check` compiles the rule files and runs their cases; `postern rules show` prints every line in effective
// order. Exit code 2 for errors in files, 1 for cases that came out otherwise.
import { oneBuffer } from "../engine/report.ts";
import { benchOf, surroundings } from "../judging.ts";
import { compileAll, RulesError } from "../rules-live.ts";
import { casesOf, runCase, type CaseJudge } from "../ruleset/cases.ts";
import { errorText } from "../ruleset/errors.ts";
import { readRules } from "../ruleset/source.ts";
import { dryJudge } from "./dry-judge.ts";
import { parseCommand, UsageError } from "./options.ts";

export async function rules(args: readonly string[]): Promise<number> {
  const { config, positionals } = parseCommand(args, {});
  const [verb, ...more] = positionals;
  if ((verb !== "check" && verb !== "show") || more.length > 0)
    throw new UsageError("rules check | rules show");
  const source = await readRules(config.server.rules_dir);
  if ("errors" in source) throw new RulesError(source.errors);
  const compiled = compileAll(source.ok, config);
  if ("errors" in compiled) throw new RulesError(compiled.errors);
  if (verb === "show") {
    process.stdout.write(`${compiled.ok.show().join("\n")}\n`);
    return 0;
  }
  for (const warning of compiled.warnings) process.stdout.write(`warning: ${errorText(warning)}\n`);
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
