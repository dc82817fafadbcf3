import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { tables, withTables } from "./tables.ts";

it("README's tables are those of the code", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  expect(withTables(readme, await tables())).toBe(readme);
});

it("a table that is missing or unknown is an error", async () => {
  const all = await tables();
  expect(() => withTables("<!-- table nothing -->\n<!-- end -->", all)).toThrow(/nobody makes/);
  expect(() => withTables("", all)).toThrow(/no place/);
});
