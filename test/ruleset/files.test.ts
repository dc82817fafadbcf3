// Rule files on disk: reading, the last good copy, noticing changes.
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readLastGood, storeLastGood } from "../../src/ruleset/last-good.ts";
import { readRules } from "../../src/ruleset/source.ts";
import { watchRules } from "../../src/ruleset/watch.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-rules-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function put(path: string, text: string | Buffer): Promise<void> {
  await mkdir(join(dir, path, ".."), { recursive: true });
  await writeFile(join(dir, path), text);
}

describe("reading", () => {
  test("known names only, below local.d too", async () => {
    const wanted = [
      "aliases",
      "banned.rules",
      "cases/a.case",
      "local.d/aliases",
      "local.d/cases/b.case",
      "local.d/policy.rules",
      "spam/x.cf",
      "virtual",
    ];
    const others = [
      "README.md",
      "local.d/.gitkeep",
      ".banned.rules.swp",
      "banned.rules~",
      "other/x.rules",
      "spam/readme",
      "local.d/local.d/a.rules",
    ];
    for (const path of [...wanted, ...others]) await put(path, path);
    const read = await readRules(dir);
    expect("ok" in read && [...read.ok].sort()).toEqual(wanted.map((path) => [path, path]));
  });

  test("a missing directory holds nothing", async () => {
    const read = await readRules(join(dir, "none"));
    expect("ok" in read && read.ok.size).toBe(0);
  });

  test("a directory that cannot be listed is an error, never an empty one", async () => {
    await put("file", "x");
    const read = await readRules(join(dir, "file"));
    expect("errors" in read && read.errors[0]?.message).toContain("cannot be listed (ENOTDIR)");
  });

  test("what is no text file is an error that names it", async () => {
    await put("banned.rules", Buffer.from([0xff, 0xfe]));
    await mkdir(join(dir, "policy.rules"));
    await put("clients.rules", Buffer.alloc(8 * 1024 * 1024 + 1, "#"));
    const read = await readRules(dir);
    expect(
      "errors" in read && read.errors.map(({ file, message }) => `${file}: ${message}`),
    ).toEqual([
      "rules/banned.rules: not valid UTF-8",
      "rules/clients.rules: larger than 8388608 bytes",
      "rules/policy.rules: not a file",
    ]);
  });
});

describe("the last good copy", () => {
  const source = new Map([
    ["policy.rules", "level kill 3\n"],
    ["local.d/x.rules", "ü \u0000"],
  ]);

  test("comes back as it was stored, and replaces the one before", async () => {
    expect(await readLastGood(dir)).toBeNull();
    await storeLastGood(dir, new Map([["a.rules", "old"]]));
    await storeLastGood(dir, source);
    expect(await readLastGood(dir)).toEqual(source);
    expect(await readdir(dir)).toEqual(["rules-last-good.json"]);
  });

  test.each([
    "",
    "{",
    "[]",
    "null",
    '{"format":2,"files":{}}',
    '{"format":1,"files":{"a":1}}',
    '{"format":1,"files":null}',
  ])("%j counts as none", async (text) => {
    await writeFile(join(dir, "rules-last-good.json"), text);
    expect(await readLastGood(dir)).toBeNull();
  });

  test("a state directory that does not exist is an exception", async () => {
    await expect(storeLastGood(join(dir, "none"), source)).rejects.toThrow("ENOENT");
  });
});

describe("watching", () => {
  const TIMES = { quietMs: 20, pollMs: 10_000 };

  /** Resolves at the next callback. */
  async function watched(act: () => Promise<void>, times = TIMES): Promise<void> {
    let changed = (): void => {};
    const change = new Promise<void>((resolve) => (changed = resolve));
    const watch = await watchRules(
      dir,
      () => changed(),
      (cause) => {
        throw cause;
      },
      times,
    );
    try {
      await act();
      await change;
    } finally {
      watch.close();
    }
  }

  test.each<[string, () => Promise<void>]>([
    ["a changed file", () => put("banned.rules", "deny *.exe\n")],
    ["a new file", () => put("senders.rules", "deny x.example")],
    ["a file removed", () => rm(join(dir, "banned.rules"))],
    ["a file in local.d", () => put("local.d/policy.rules", "level kill 3")],
    [
      "a file replaced by an editor",
      async () => {
        await put("x.tmp", "new");
        await rename(join(dir, "x.tmp"), join(dir, "banned.rules"));
      },
    ],
  ])("%s is noticed", async (_, act) => {
    await put("banned.rules", "# old");
    await put("local.d/clients.rules", "# old");
    await watched(act);
  });

  test("looking alone notices a directory made later", async () => {
    const later = join(dir, "later");
    let changed = (): void => {};
    const change = new Promise<void>((resolve) => (changed = resolve));
    const watch = await watchRules(
      later,
      () => changed(),
      () => {},
      { quietMs: 5, pollMs: 10 },
    );
    await put("later/banned.rules", "deny *.exe");
    await change;
    watch.close();
  });

  test("several changes in a row are one callback, other files none", async () => {
    await put("banned.rules", "");
    let calls = 0;
    let changed = (): void => {};
    const next = (): Promise<void> => new Promise((resolve) => (changed = resolve));
    const onChange = (): void => {
      calls++;
      changed();
    };
    const watch = await watchRules(dir, onChange, () => {}, { quietMs: 200, pollMs: 10_000 });
    const first = next();
    for (let i = 0; i < 5; i++) writeFileSync(join(dir, "banned.rules"), "#".repeat(i + 1));
    await first;
    const second = next();
    writeFileSync(join(dir, "notes.txt"), "x");
    writeFileSync(join(dir, "senders.rules"), "# x");
    await second;
    watch.close();
    expect(calls).toBe(2);
  });
});
