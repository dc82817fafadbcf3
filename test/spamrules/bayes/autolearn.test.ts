import { describe, expect, it } from "vitest";
import { autolearnClass } from "../../../src/spamrules/bayes/autolearn.ts";
import { BAYES, bayesHits } from "../../../src/spamrules/evals/bayes.ts";
import type { EvalContext } from "../../../src/spamrules/evals/eval.ts";
import { namesIn } from "../../../src/spamrules/language/meta.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import type { Rule, RuleBook } from "../../../src/spamrules/rulebook.ts";

const book = (octets: string): RuleBook =>
  parseRules(
    { texts: [{ file: "/t.cf", octets }], includes: new Map(), problems: [] },
    { local: true },
  );

const RULES = book(`
loadplugin Mail::SpamAssassin::Plugin::Bayes
header HEAD Subject =~ /x/
header HEAD2 Subject =~ /y/
body BODY /x/
body SMALL /y/
meta BOTH HEAD && BODY
meta ODD HEAD + HEAD2 + BODY
full FULL /x/
body SURE /z/
tflags SURE autolearn_force
header LIST Subject =~ /z/
tflags LIST userconf
body NEVER /q/
tflags NEVER noautolearn
body BAYES_00 eval:check_bayes('0.00', '0.01')
tflags BAYES_00 nice learn
body BAYES_50 eval:check_bayes('0.40', '0.60')
tflags BAYES_50 learn
body BAYES_99 eval:check_bayes('0.99', '1.00')
tflags BAYES_99 learn
body BAYES_999 eval:check_bayes('0.999', '1.00')
tflags BAYES_999 learn
score HEAD 6
score HEAD2 6
score BODY 6
score SMALL 2
score BOTH 9
score ODD 9
score FULL 9
score SURE 12
score LIST -100
score NEVER 20
score BAYES_00 0 0 -1.9 -1.9
score BAYES_99 0 0 3.5 3.5
`);

const dependencies = (rule: Rule): readonly string[] =>
  rule.definition.type === "meta" ? namesIn(rule.definition.expression) : [];
const said = (hits: string, isSpam: boolean): string | null =>
  autolearnClass(
    hits.split(" ").filter(Boolean),
    isSpam,
    { book: RULES, scoreSet: 2, dependencies },
    { ham: 0.1, spam: 12 },
  );

describe("autolearn", () => {
  it.each<[string, boolean, string | null]>([
    ["", false, "ham"],
    ["", true, null],
    ["SMALL", false, null],
    ["HEAD BODY", true, "spam"],
    ["HEAD BODY", false, null],
    // Header and body must both say so.
    ["HEAD HEAD2", true, null],
    ["BODY SMALL FULL", true, null],
    // A meta counts by what it is made of: 4.5 each, and 6 and 3.
    ["BOTH SMALL", true, null],
    ["BOTH HEAD", true, "spam"],
    ["ODD SMALL SMALL HEAD2", true, "spam"],
    ["SURE", true, "spam"],
    // Neither lists of users nor rules that say so count.
    ["LIST SMALL", false, null],
    ["NEVER", false, "ham"],
    // Bayes never teaches itself, and must not disagree.
    ["BAYES_99", false, null],
    ["BAYES_00 HEAD BODY", true, null],
    ["BAYES_99 HEAD BODY", true, "spam"],
    ["BAYES_00", false, "ham"],
  ])("%s, spam %s: %s", (hits, isSpam, expected) => {
    expect(said(hits, isSpam)).toBe(expected);
  });
});

describe("the rules of Bayes", () => {
  it.each<[number, string[]]>([
    [0, ["BAYES_00"]],
    [0.01, ["BAYES_00"]],
    [0.0101, []],
    [0.4, []],
    [0.5, ["BAYES_50"]],
    [0.99, []],
    [0.995, ["BAYES_99"]],
    [0.9999, ["BAYES_99", "BAYES_999"]],
    [1, ["BAYES_99", "BAYES_999"]],
  ])("%d: %j", (chance, names) => {
    expect(bayesHits(RULES, chance)).toEqual(names);
    const hits = [...RULES.rules.values()].filter(
      (rule) =>
        rule.definition.type === "eval" &&
        BAYES["check_bayes"]?.(
          { bayes: chance } as unknown as EvalContext,
          rule.definition.args,
          rule,
        ) === true,
    );
    expect(hits.map(({ name }) => name)).toEqual(names);
  });

  it("do not hit without a chance", () => {
    const context = { bayes: null } as unknown as EvalContext;
    const rule = RULES.rules.get("BAYES_00") as Rule;
    expect(BAYES["check_bayes"]?.(context, ["0.00", "undef"], rule)).toBe(false);
  });
});
