// Which files are read, in which order, and what stops them.
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ruleDirectories } from "../../../src/spamrules/language/directories.ts";
import { loadRules } from "../../../src/spamrules/language/load.ts";
import { readRules } from "../../../src/spamrules/language/read.ts";

let root = "";
beforeEach(async () => (root = await mkdtemp(join(tmpdir(), "rules-"))));
afterEach(async () => await rm(root, { recursive: true }));

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, "latin1");
  }
}

const places = () => ({ siteDirs: [join(root, "site")], ruleDirs: [join(root, "rules")] });
const inside = (path: string) => path.slice(root.length + 1);

it("reads site .pre, rules .pre, rules .cf, site .cf, then what the operator names", async () => {
  await put({
    "site/b.pre": "",
    "site/a.pre": "",
    "site/z.cf": "",
    "site/README": "",
    "rules/one.pre": "",
    "rules/B.CF": "",
    "rules/a.cf": "",
    "rules/updates_spamassassin_org.cf": "",
    "local.cf": "",
    user_prefs: "",
  });
  const { texts, problems } = await readRules({
    ...places(),
    files: [join(root, "local.cf"), join(root, "rules/a.cf"), join(root, "gone.cf")],
    userFiles: [join(root, "user_prefs")],
  });
  expect(texts.map(({ file }) => inside(file))).toEqual([
    "site/a.pre",
    "site/b.pre",
    "rules/one.pre",
    "rules/updates_spamassassin_org.cf",
    "rules/B.CF",
    "rules/a.cf",
    "site/z.cf",
    "local.cf",
    "user_prefs",
  ]);
  expect(problems).toEqual([
    { file: join(root, "gone.cf"), line: 0, message: "cannot be read (ENOENT)" },
  ]);
});

it("includes files and directories, each once, however they include one another", async () => {
  await put({
    "rules/main.cf": "body A /x/\ninclude more/one.cf\ninclude dir\ninclude main.cf\nbody Z /x/",
    "rules/more/one.cf": "body B /x/\ninclude two.cf\ninclude ../main.cf\n",
    "rules/more/two.cf": "body C /x/\ninclude one.cf\n",
    "rules/dir/x.cf": "body D /x/\n",
    "rules/dir/y.txt": "body E /x/\n",
  });
  const { rules, problems } = await loadRules({ ...places(), local: true });
  expect([...rules.keys()]).toEqual(["A", "B", "C", "D", "Z"]);
  expect(problems).toEqual([]);
});

it("says at which line an include finds nothing, and closes conditions there", async () => {
  await put({ "rules/main.cf": "if 1\ninclude gone.cf\nbody A /x/\nendif\n" });
  const { rules, problems } = await loadRules({ ...places(), local: true });
  expect([...rules.keys()]).toEqual(["A"]);
  expect(problems.map(({ line, message }) => `${line} ${message}`)).toEqual([
    "2 gone.cf cannot be included",
    "1 if without endif",
    "4 endif without if",
  ]);
});

it("stops sixteen includes deep", async () => {
  for (let i = 0; i < 40; i++)
    await put({
      [`rules/${i === 0 ? "main.cf" : `f${i}.inc`}`]: `body A${i} /x/\ninclude f${i + 1}.inc\n`,
    });
  const { rules, problems } = await loadRules({ ...places(), local: true });
  expect(rules.size).toBe(17);
  expect(problems.length).toBeGreaterThan(0);
});

it("does not wait for a pipe and does not read what is too big", async () => {
  await put({ "rules/a.cf": "body A /x/", "rules/big.cf": "#".repeat(17 * 1024 * 1024) });
  expect(spawnSync("mkfifo", [join(root, "rules/pipe.cf")]).status).toBe(0);
  const { rules, problems } = await loadRules({ ...places(), local: true });
  expect([...rules.keys()]).toEqual(["A"]);
  expect(problems.map(({ file }) => inside(file))).toContain("rules/big.cf");
});

it("takes octets as they are", async () => {
  await put({ "rules/a.cf": "describe A gr\xfcn \xa0\nbody A /\xc3\xbc/\n" });
  const rule = (await loadRules({ ...places(), local: true })).rules.get("A");
  expect(rule?.describe).toBe("gr\xfcn \xa0");
  expect(rule?.definition).toMatchObject({ pattern: { source: "\xc3\xbc" } });
});

it("changes its version with every text and with what is asked of it", async () => {
  const version = async (local: boolean): Promise<string> =>
    (await loadRules({ ...places(), local })).version;
  await put({ "rules/a.cf": "body A /x/\ninclude b.inc\n", "rules/b.inc": "# one\n" });
  const first = await version(true);
  expect(first).toMatch(/^[0-9a-f]{16}$/);
  expect(await version(true)).toBe(first);
  expect(await version(false)).not.toBe(first);
  await put({ "rules/b.inc": "# two\n" });
  expect(await version(true)).not.toBe(first);
});

it("finds the directories of this machine: the newest of sa-update, else the package's", async () => {
  expect(await ruleDirectories(root)).toEqual({ siteDirs: [], ruleDirs: [] });
  await put({ "etc/spamassassin/local.cf": "", "usr/share/spamassassin/10.cf": "" });
  await mkdir(join(root, "etc/mail"));
  await symlink("../spamassassin", join(root, "etc/mail/spamassassin"));
  expect(await ruleDirectories(root)).toEqual({
    siteDirs: [join(root, "etc/spamassassin")],
    ruleDirs: [join(root, "usr/share/spamassassin")],
  });
  await put({ "var/lib/spamassassin/compiled/x.cf": "", "var/lib/spamassassin/3.004006/u.cf": "" });
  await put({ "var/lib/spamassassin/4.000001/u.cf": "" });
  await mkdir(join(root, "var/lib/spamassassin/4.000002"));
  expect((await ruleDirectories(root)).ruleDirs).toEqual([
    join(root, "var/lib/spamassassin/4.000001"),
  ]);
});

it("reads the models of languages when TextCat is loaded, the site's before those of the rules", async () => {
  const found = async (): Promise<string | undefined> => {
    const file = (await readRules(places())).languages?.file;
    return file && inside(file);
  };
  await put({ "rules/updates_spamassassin_org/languages": "x\n0 en\n", "site/a.pre": "" });
  expect(await found()).toBe(undefined);
  await put({ "site/a.pre": "loadplugin Mail::SpamAssassin::Plugin::TextCat\n" });
  expect(await found()).toBe("rules/updates_spamassassin_org/languages");
  await put({ "rules/languages": "x\n0 en\n" });
  expect(await found()).toBe("rules/languages");
  await put({ "site/languages": "x\n0 de\n" });
  expect(await found()).toBe("site/languages");
  expect((await loadRules({ ...places(), local: true })).settings.languageModels).toBe("x\n0 de\n");
});

it("loads no plugin from a file that is not there", async () => {
  const known = "Mail::SpamAssassin::Plugin::";
  await put({
    "site/a.pre": `loadplugin ${known}FreeMail nowhere/FreeMail.pm
tryplugin ${known}HashBL /nowhere/HashBL.pm
loadplugin ${known}AskDNS own/AskDNS.pm
loadplugin ${known}SPF
loadplugin ${known}SPF nowhere/SPF.pm
`,
    "site/own/AskDNS.pm": "1;",
  });
  const book = await loadRules({ ...places(), local: true });
  expect([...book.settings.plugins]).toEqual([`${known}AskDNS`, `${known}SPF`]);
  expect(book.problems.map(({ line, message }) => [line, message])).toEqual([
    [1, `loadplugin: there is no file nowhere/FreeMail.pm, so ${known}FreeMail is not loaded`],
  ]);
});
