// Rule files read by us and by the real SpamAssassin: every rule, score, flag, priority, pattern and setting must be the same. The stock
// rules, and a file of oddities (rules/odd.cf). SA_RULES names a further directory of rules to compare.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ruleDirectories } from "../../../src/spamrules/language/directories.ts";
import { loadRules } from "../../../src/spamrules/language/load.ts";
import { readRules } from "../../../src/spamrules/language/read.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import type { RuleBook } from "../../../src/spamrules/rulebook.ts";
import { have } from "../lab/peers.ts";
import { ruleDifferences, settingDifferences } from "./conf-differences.ts";
import type { Conf } from "./conf-differences.ts";

const ODD = join(import.meta.dirname, "rules/odd.cf");
const EXTRA = process.env["SA_RULES"] ?? "";

function askPerl(...args: readonly string[]): Conf {
  const { stdout, stderr, status } = spawnSync(
    "perl",
    [join(import.meta.dirname, "conf.pl"), ...args],
    {
      maxBuffer: 256 * 1024 * 1024,
    },
  );
  expect(status, stderr.toString()).toBe(0);
  return JSON.parse(stdout.toString("latin1")) as Conf;
}

/** Lines that the real parser complains of and we do not. */
function untold(conf: Conf, book: RuleBook, file: string): string[] {
  const ours = new Set(
    book.problems.filter((problem) => problem.file === file).map(({ line }) => line),
  );
  return conf.said.filter((message) => {
    const [, where, line] = / in (\S+) \(line (\d+)\)/.exec(message) ?? [];
    return where === file && !ours.has(Number(line));
  });
}

describe.skipIf(!have("spamd"))("rule files beside the real parser", () => {
  it.each([
    ["local tests", true],
    ["tests over the network", false],
  ])("stock rules, %s", async (_name, local) => {
    const conf = askPerl(...(local ? [] : ["--net"]));
    const book = await loadRules({
      siteDirs: ["/etc/spamassassin"],
      ruleDirs: ["/usr/share/spamassassin"],
      local,
    });
    expect(book.rules.size).toBeGreaterThan(2000);
    expect([...ruleDifferences(conf, book), ...settingDifferences(conf, book)]).toEqual([]);
    expect(book.problems).toEqual([]);
  });

  it.each(["de_DE.UTF-8", "fr_FR", "it_IT", "nl_NL@euro", "pl_PL", "pt_BR.UTF-8"])(
    "stock rules as %s",
    async (lang) => {
      const conf = askPerl("--lang", lang);
      const places = { siteDirs: ["/etc/spamassassin"], ruleDirs: ["/usr/share/spamassassin"] };
      const language = lang.replace(/[.@].*/, "");
      const book = await loadRules({ ...places, language, local: true });
      expect([...ruleDifferences(conf, book), ...settingDifferences(conf, book)]).toEqual([]);
      expect(book.settings.reportTemplate).toBe(conf.conf["report_template"]);
      const english = await loadRules({ ...places, local: true });
      const translated = [...book.rules.values()].filter(
        ({ name, describe }) => describe !== english.rules.get(name)?.describe,
      );
      if (lang !== "it_IT") expect(translated.length).toBeGreaterThan(20);
    },
  );

  it("a file of oddities", async () => {
    const conf = askPerl("--file", ODD);
    const book = await loadRules({
      siteDirs: ["/etc/spamassassin"],
      ruleDirs: ["/usr/share/spamassassin"],
      userFiles: [ODD],
      local: true,
    });
    expect(book.rules.has("ODD_INCLUDED2")).toBe(true);
    expect([...ruleDifferences(conf, book), ...settingDifferences(conf, book)]).toEqual([]);
    expect(untold(conf, book, ODD)).toEqual([]);
  });

  // Nothing is skipped where nobody asked for it.
  const withExtra = EXTRA === "" ? () => undefined : it;
  withExtra(`the rules in ${EXTRA}`, async () => {
    const conf = askPerl("--rules", EXTRA);
    const book = await loadRules({
      siteDirs: ["/etc/spamassassin"],
      ruleDirs: [EXTRA],
      local: true,
    });
    expect([...ruleDifferences(conf, book), ...settingDifferences(conf, book)]).toEqual([]);
  });

  it("parses the stock rules in less than half a second of CPU", async () => {
    const texts = await readRules(await ruleDirectories());
    const start = process.cpuUsage();
    parseRules(texts, { local: true });
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(500);
  });
});
