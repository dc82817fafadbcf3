// scores.rules: points for symbols of ours, which are known, and for spamd's, which only spamd knows.
import { expect, test } from "vitest";
import { compileRules } from "../../src/ruleset/compile.ts";
import { scoreName } from "../../src/verdict/finding.ts";

const compile = (text: string) =>
  compileRules(new Map([["scores.rules", text]]), {
    modes: [],
    hasOutgoing: false,
    symbols: ["BANNED", "SPF_FAIL"],
  });

test("a rule of spamd's has its own name and is never mistaken for a symbol of ours", () => {
  const compiled = compile(
    "score spamd:SPF_FAIL 2.5\nscore SPF_FAIL 1\nscore spamd:T_lower_Case_1 -0.1\n",
  );
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  const { scoreOf } = compiled.ok;
  expect(scoreOf(scoreName({ symbol: "SPF_FAIL", foreign: "spamd" }))).toBe(2.5);
  expect(scoreOf(scoreName({ symbol: "SPF_FAIL" }))).toBe(1);
  expect(scoreOf("spamd:T_lower_Case_1")).toBe(-0.1);
  expect(scoreOf("T_lower_Case_1")).toBeUndefined();
  expect(compiled.warnings.filter(({ file }) => file === "rules/scores.rules")).toEqual([]);
});

test.each([
  "spamd:",
  "spamd:A-B",
  "spamd: A",
  "SPAMD:A",
  "clamd:A",
  "spamd:9A",
  `spamd:${"A".repeat(129)}`,
  "banned",
])("score %s is an error", (name) => {
  const compiled = compile(`score ${name} 1\n`);
  expect("errors" in compiled && compiled.errors[0]).toMatchObject({
    file: "rules/scores.rules",
    line: 1,
  });
});

test("an unknown symbol of ours is warned about", () => {
  const compiled = compile("score BANNNED 1\n");
  expect("ok" in compiled && compiled.warnings[0]?.message).toMatch(/did you mean "?BANNED"?\?/);
});
