// Which rules of SpamAssassin's form take the place of others: mistakes of the operator's keep the old ones, what others wrote is told.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../src/config.ts";
import { readSpamRules } from "../src/spam-rules.ts";
import { spamRulesCheck, type SpamRulesCheck } from "../src/spam-rules-check.ts";
import type { Log } from "../src/sys/log.ts";

let dir: string;
let told: string[];
let check: SpamRulesCheck;
const GOOD = "body HERON /heron/\nscore HERON 1\n";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-rules-check-"));
  await mkdir(join(dir, "updates"));
  await mkdir(join(dir, "site"));
  told = [];
  const say = (text: string): void => void told.push(text.replaceAll(`${dir}/`, ""));
  check = spamRulesCheck({ warn: say, error: say, info: say } as unknown as Log);
});
afterEach(() => rm(dir, { recursive: true }));

const config = (more = 'engine = "native"') =>
  parseConfig(
    `[server]\nstate_dir = "."\n[spam]\nrule_dirs = ["updates", "site"]\n${more}\n`,
    join(dir, "postern.toml"),
  );
const write = (file: string, text: string): Promise<void> => writeFile(join(dir, file), text);
const begin = async (): Promise<void> =>
  check.begin(config(), await readSpamRules(config(), new Map()));
/** The faults of what lies there now. */
const faults = async (local = new Map<string, string>(), over = config()): Promise<string[]> =>
  (await check.faults(over, await readSpamRules(over, local))).map(
    ({ file, line, message }) => `${file.replace(`${dir}/`, "")}:${line}: ${message}`,
  );

describe("new spam rules", () => {
  beforeEach(async () => {
    await write("updates/20_stock.cf", GOOD);
    await write("site/local.cf", "required_score 5\n");
  });

  it("take the place of others when there is nothing wrong", async () => {
    await begin();
    await write("site/local.cf", GOOD.replaceAll("HERON", "OTHER"));
    expect(await faults()).toEqual([]);
    expect(told).toEqual([]);
  });

  it.each([
    ["a pattern", "body X /her(on/", 1],
    ["the end of a condition", `if (version >= 3.004)\n${GOOD}`, 1],
    ["points", "score HERON lots", 1],
    ["what a meta rule is about", "meta X HERON && (OTHER", 1],
  ])("do not when the operator misses %s", async (_what, text, line) => {
    await begin();
    await write("site/local.cf", text);
    const [fault, ...more] = await faults();
    expect(fault).toMatch(new RegExp(`^site/local\\.cf:${line}: `));
    expect(more).toEqual([]);
    const [ours] = await faults(new Map([["local.d/spam/a.cf", text]]));
    expect(ours).toMatch(/^(?:site\/local|rules\/local\.d\/spam\/a)\.cf:1: /);
    await write("site/local.cf", GOOD);
    expect(await faults()).toEqual([]);
  });

  it("do for all that, in what sa-update brings, and for what may be of a plugin", async () => {
    await begin();
    await write("updates/20_stock.cf", `${GOOD}body X /her(on/\n`);
    await write(
      "site/local.cf",
      "razor_config x\nno_such_thing 1\nloadplugin Mail::SpamAssassin::Plugin::Foo\n",
    );
    expect(await faults()).toEqual([]);
    expect(
      told.some((text) => text.startsWith('site/local.cf:2: "no_such_thing" is not known')),
    ).toBe(true);
    expect(told.some((text) => text.startsWith("updates/"))).toBe(false);
  });

  it("do with a mistake that was there from the start, which was told", async () => {
    await write("site/local.cf", "body X /her(on/\n");
    await begin();
    await write("site/local.cf", `# one line more\nbody X /her(on/\n${GOOD}`);
    expect(await faults()).toEqual([]);
    expect(told).toEqual([expect.stringMatching(/^site\/local\.cf:1: /)]);
  });

  it("do not when files or directories are gone or cannot be read", async () => {
    await begin();
    await rm(join(dir, "updates"), { recursive: true });
    expect(await faults()).toEqual(["updates:0: there is no such directory"]);
    await mkdir(join(dir, "updates"));
    await write("updates/20_stock.cf", GOOD);
    await write("updates/30_huge.cf", "#".repeat(17 * 1024 * 1024));
    expect(await faults()).toEqual([expect.stringMatching(/^updates\/30_huge\.cf:0: too big/)]);
    for (const name of ["updates", "site"]) await rm(join(dir, name), { recursive: true });
    expect(await faults()).toEqual(["spam rules:0: no file of spam rules is left"]);
    expect(await faults(new Map(), config('engine = "off"'))).toEqual([]);
  });

  it("are missed when there are none at the start", async () => {
    for (const name of ["updates", "site"]) await rm(join(dir, name), { recursive: true });
    await begin();
    expect(told).toEqual([
      expect.stringContaining("there are no spam rules: postern scores nothing itself;"),
    ]);
    expect(await faults()).toEqual([]);
  });
});
