// The cases in test/cases/: a payload hidden behind each reading that mail programs may have. Judged as `rules check` judges, with the
// shipped rules: it is found, or the message is flagged.
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { dryJudge } from "../src/cli/dry-judge.ts";
import { loadConfig } from "../src/config.ts";
import { oneBuffer } from "../src/engine/report.ts";
import { benchOf, deepening, surroundings } from "../src/judging.ts";
import { parseCase, runCase, type CaseJudge } from "../src/ruleset/cases.ts";
import { readRules } from "../src/ruleset/source.ts";

const directory = new URL("./cases/", import.meta.url);
const config = loadConfig(null);
const source = await readRules(new URL("../rules", import.meta.url).pathname);
if ("errors" in source) throw new Error("the shipped rules cannot be read");
const bench = benchOf(source.ok, config);
const deep = deepening(config);
const around = surroundings(config, () => false, deep);
afterAll(() => deep.close());

const judge: CaseJudge = async (facts, message) => {
  const body = oneBuffer(message);
  const { judgement } = await dryJudge(body, facts, bench, around, config, () => true);
  return judgement.judged.map(({ recipient, verdict }) => ({
    recipient: recipient.address.raw,
    disposition: verdict.disposition,
    category: verdict.category,
    quarantine: verdict.quarantine,
    folder: verdict.folder,
    symbols: verdict.findings.map((finding) => finding.symbol),
  }));
};

const files = readdirSync(directory).filter((name) => name.endsWith(".case"));

describe("cases", () => {
  test("are there", () => {
    expect(files.length).toBeGreaterThan(50);
  });

  test.each(files)("%s", async (name) => {
    const read = parseCase(`test/cases/${name}`, readFileSync(new URL(name, directory), "utf8"));
    if ("errors" in read) throw new Error(JSON.stringify(read.errors));
    expect(await runCase(read.ok, judge)).toEqual([]);
  });
});
