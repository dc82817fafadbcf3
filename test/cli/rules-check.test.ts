// `postern rules check` over spam rules: it refuses what a running server would, and tells the rest.
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-rules-"));
  for (const name of ["updates", "site", "rules"]) await mkdir(join(dir, name));
  await writeFile(join(dir, "rules/policy.rules"), "fate virus any any discard keep\n");
  await writeFile(join(dir, "updates/20_stock.cf"), "body HERON /heron/\nscore HERON 1\n");
  await writeFile(
    join(dir, "postern.toml"),
    '[spam]\nengine = "native"\nrule_dirs = ["updates", "site"]\n',
  );
});
afterEach(() => rm(dir, { recursive: true }));

async function check(local: string): Promise<{ status: number | null; lines: string[] }> {
  await writeFile(join(dir, "site/local.cf"), local);
  const args = [MAIN, "rules", "check", "--config", join(dir, "postern.toml")];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return { status, lines: stdout.replaceAll(`${dir}/`, "").split("\n") };
}

it("refuses a mistake in a file of the operator's own", async () => {
  const { status, lines } = await check("score HERON five\nno_such_thing 1\nbody BAD /foo(bar/\n");
  expect(status).toBe(2);
  expect(lines).toEqual([
    'warning: site/local.cf:2: "no_such_thing" is not known',
    "error: site/local.cf:1: score: value is not understood",
    "error: site/local.cf:3: BAD: cannot be used: unmatched (",
    expect.stringMatching(
      /^spam rules [0-9a-f]{10} from updates, site: 2 rules, 2 errors, 1 warnings$/,
    ),
    "a running postern keeps its old spam rules until that is mended",
    expect.stringMatching(/^rules .*: 0 of 0 cases passed$/),
    "",
  ]);
});

it("only tells what SpamAssassin has and postern does not", async () => {
  const { status, lines } = await check("loadplugin Mail::SpamAssassin::Plugin::Foo\n");
  expect(status).toBe(0);
  expect(lines[0]).toMatch(/^warning: site\/local\.cf:1: loadplugin: .* counts as not loaded$/);
});

it("runs the operator's case in place of the shipped one of the same name", async () => {
  const text = (word: string): string => `expect ${word}\n\nSubject: x\n\nheron\n`;
  await mkdir(join(dir, "rules/cases"));
  await writeFile(join(dir, "rules/cases/heron.case"), text("reject"));
  const failing = await check("");
  expect(failing.status).toBe(1);
  expect(failing.lines.slice(1, 3)).toEqual([
    "rules/cases/heron.case:1: disposition for user@example.net is accept, expected reject",
    "  if that is what you want, say so in rules/local.d/cases/heron.case, which takes its place",
  ]);
  await mkdir(join(dir, "rules/local.d/cases"), { recursive: true });
  await writeFile(join(dir, "rules/local.d/cases/heron.case"), text("accept"));
  const { status, lines } = await check("");
  expect(status).toBe(0);
  expect(lines.at(-2)).toMatch(/: 1 of 1 cases passed$/);
});
