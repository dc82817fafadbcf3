// The import rule of ARCHITECTURE.md: down, or sideways within one directory, never up; a check never imports another check.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

const SRC = resolve(import.meta.dirname, "../src");
const FLOORS: Readonly<Record<string, number>> = {
  mail: 0,
  sys: 0,
  verdict: 1,
  content: 2,
  spamrules: 2,
  ruleset: 2,
  clients: 2,
  state: 2,
  mailstore: 2,
  checks: 3,
  delivery: 3,
  engine: 4,
  servers: 5,
  cli: 6,
  "": 6,
};

it("imports go down or stay in their directory", () => {
  const climbing: string[] = [];
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  for (const file of files) {
    const from = dirname(file) === "." ? "" : (file.split("/")[0] ?? "");
    expect(FLOORS, `${file} stands in a directory without a floor`).toHaveProperty([from]);
    for (const [, target = ""] of readFileSync(join(SRC, file), "utf8").matchAll(
      /(?:from|import)\s*\(?\s*"(\.[^"]+)"/g,
    )) {
      const path = relative(SRC, resolve(SRC, dirname(file), target));
      const to = path.includes("/") ? (path.split("/")[0] ?? "") : "";
      if (
        from !== to &&
        (FLOORS[to] ?? 9) >= (FLOORS[from] ?? 0) &&
        !(from === "" && to === "cli") &&
        !(from === "cli" && to === "")
      ) {
        climbing.push(`${file} -> ${path}`);
      }
    }
  }
  expect(files.length).toBeGreaterThan(50);
  expect(climbing).toEqual([]);
});
