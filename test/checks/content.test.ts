// malformed and selftest: what the tree of parts says becomes findings, bounded.
import { describe, expect, test } from "vitest";
import { checksOf, symbolTable } from "../../src/checks/index.ts";
import { malformed } from "../../src/checks/malformed.ts";
import { selftest } from "../../src/checks/selftest.ts";
import type { Tree } from "../../src/mail/message.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { message, tree } from "../fakes/message.ts";

const SO = { findings: [], signal: new AbortController().signal };

function rulesOf(scores: string) {
  const compiled = compileRules(new Map([["scores.rules", scores]]), {
    modes: [],
    hasOutgoing: false,
  });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  return compiled.ok;
}

const brief = async (check: typeof malformed, of: Tree, scores = "") =>
  (await check(rulesOf(scores)).run(message({ tree: of }), SO)).map(
    ({ symbol, category, score, detail }) => `${symbol} ${category} ${score} ${detail}`,
  );

describe("malformed", () => {
  const clash = {
    kind: "conflicting-type",
    class: "ambiguous",
    detail: "text/plain, text/html",
  } as const;
  const bare = { kind: "bare-lf", class: "fault", detail: "" } as const;

  test("one finding per kind of ambiguity, one for all faults, one for a limit", async () => {
    const of = tree(
      { defects: [bare], children: [{ defects: [clash, bare] }, { defects: [clash] }] },
      "more than 1000 parts",
    );
    expect(await brief(malformed, of, "score MALFORMED 2")).toEqual([
      "MALFORMED malformed 2 conflicting-type in part 1/1: text/plain, text/html",
      "FAULTS note 0 bare-lf",
      "UNCHECKED_LIMIT unchecked 0 more than 1000 parts",
    ]);
  });

  test("a sound message gives none", async () => {
    expect(await brief(malformed, tree({}))).toEqual([]);
  });

  test("many kinds and long details are cut", async () => {
    const defects = Array.from({ length: 500 }, (_, i) => ({
      kind: `kind-${i}`,
      class: "ambiguous" as const,
      detail: "x".repeat(9999),
    }));
    const found = await brief(malformed, tree({ defects }));
    expect(found).toHaveLength(8);
    for (const text of found) expect(text.length).toBeLessThan(300);
  });
});

describe("selftest", () => {
  test.each([
    [["EICAR"], "", ["SELFTEST_EICAR virus 0 Eicar-Test-Signature"]],
    [["GTUBE"], "", ["GTUBE spam 1000 Generic Test for Unsolicited Bulk Email"]],
    [["GTUBE"], "score GTUBE 7", ["GTUBE spam 7 Generic Test for Unsolicited Bulk Email"]],
    [[], "", []],
  ] as const)("%j with %j", async (marks, scores, expected) => {
    const of = tree({ type: "multipart/mixed", children: [{}, { marks }, { marks }] });
    expect(await brief(selftest, of, scores)).toEqual(expected);
  });
});

test("every check declares its symbols, once", () => {
  const symbols = symbolTable().map(({ symbol }) => symbol);
  expect(new Set(symbols).size).toBe(symbols.length);
  expect(checksOf(rulesOf("")).map(({ name }) => name)).toEqual([
    "access",
    "bulk",
    "malformed",
    "banned",
    "selftest",
  ]);
});
