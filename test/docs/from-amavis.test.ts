// deploy/FROM-AMAVIS.md: the keys that it names exist, and the rule lines that it shows compile.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { schema } from "../../src/config-schema.ts";
import { compileRules } from "../../src/ruleset/compile.ts";

const rows = readFileSync(new URL("../../deploy/FROM-AMAVIS.md", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.split(" | ")[1] ?? "");

/** The keys of [table], and those that follow it without a table of their own. */
function* keys(): Generator<readonly [table: string, key: string]> {
  for (const row of rows) {
    let table = "";
    for (const [, code = ""] of row.matchAll(/`([^`]+)`/g)) {
      const [, named, rest = code] = /^\[\[?(\w+)\]\]?(?: (.+))?$/.exec(code) ?? [];
      if (named !== undefined) table = named;
      const key = /^(\w+)(?: = |$)/.exec(rest)?.[1];
      if (key !== undefined && rest !== code) yield [table, key];
      else if (key !== undefined && / = /.test(code)) yield [table, key];
    }
  }
}

it("names keys that exist", () => {
  const all = [...keys()];
  expect(all.length).toBeGreaterThan(20);
  for (const [table, key] of all) {
    const node = schema.shape[table as keyof typeof schema.shape] as unknown;
    expect(JSON.stringify(shapeOf(node)), `[${table}] ${key}`).toContain(`"${key}"`);
  }
});

function shapeOf(node: unknown): string[] {
  const { shape, element, def } = node as {
    shape?: object;
    element?: unknown;
    def?: { innerType?: unknown };
  };
  if (shape !== undefined) return Object.keys(shape);
  return shapeOf(element ?? def?.innerType);
}

it("shows rule lines that compile", () => {
  const files = new Map<string, string>();
  for (const row of rows) {
    let file: string | null = null;
    for (const part of row.split(/(`[^`]+`)/)) {
      const code = /^`([^`]+)`$/.exec(part)?.[1];
      if (code === undefined) continue;
      if (/^\w+\.rules$/.test(code)) file = `local.d/${code}`;
      else if (
        file !== null &&
        /^(?:level|fate|for|subject-tag|allow|deny|keep|score|virus-score) /.test(code)
      )
        files.set(file, `${files.get(file) ?? ""}${code}\n`);
    }
  }
  expect([...files.keys()].sort()).toEqual(
    ["banned", "clients", "policy", "recipients", "scores", "senders"].map(
      (name) => `local.d/${name}.rules`,
    ),
  );
  const compiled = compileRules(files, { modes: ["after-queue"], hasOutgoing: true });
  expect("errors" in compiled ? compiled.errors : []).toEqual([]);
});
