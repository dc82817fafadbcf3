import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { learn } from "../../src/cli/learn.ts";
import { messagesOf, sourceOf } from "../../src/cli/learn-sources.ts";
import { parseConfig } from "../../src/config.ts";
import { teacher, type Teacher } from "../../src/learning.ts";
import type { EngineData } from "../../src/spamrules/engine-job.ts";
import { prepareStore, sqliteStore } from "../../src/state/sqlite.ts";
import type { HostStore } from "../../src/state/store.ts";

const DATA: EngineData = {
  texts: [],
  includes: [],
  problems: [],
  local: true,
  bayes: false,
  hostname: "mx.example.org",
};
let dir: string;
let store: HostStore;
let teaching: Teacher;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-learn-"));
  prepareStore(join(dir, "state.db"));
  store = sqliteStore(join(dir, "state.db"), 20_000);
  teaching = teacher(parseConfig("", join(dir, "postern.toml")), DATA, store.tokens, 2);
});
afterEach(async () => {
  await teaching.close();
  await store.close();
  await rm(dir, { recursive: true });
});

const message = (n: number, words: string): string =>
  `From: a${n}@example.org\nTo: b@example.net\nDate: Fri, 20 Nov 2026 10:0${n}:00 +0000\nSubject: ${n}\n\n${words}\n`;

async function put(path: string, text: string | Buffer): Promise<string> {
  const file = join(dir, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, text);
  return file;
}

async function run(
  args: readonly string[],
  input = "",
  signal = new AbortController().signal,
  onStep = (): void => {},
): Promise<{ code: number; out: string; err: string; bars: number[] }> {
  let [out, err] = ["", ""];
  const bars: number[] = [];
  const code = await learn(args, {
    teacher: teaching,
    tokens: store.tokens,
    atOnce: 4,
    minSpam: 2,
    minHam: 1,
    maxTokens: 1000,
    stdin: Readable.from([Buffer.from(input)]),
    out: (text) => (out += text),
    err: (text) => (err += text),
    progress: (_label, total) => ({
      step: (done) => {
        bars.push(done / total);
        onStep();
      },
      end: () => {},
    }),
    signal,
    now: () => Date.now(),
  });
  return { code, out, err, bars };
}

describe("postern learn", () => {
  it("learns from files and directories once, and says what is still lacking", async () => {
    await put("spam/1.eml", message(1, "buy these pills"));
    await put("spam/deeper/2.eml", message(2, "cheap pills"));
    await put("spam/.hidden", message(3, "no"));
    const ham = await put("ham.eml", message(4, "the minutes of the meeting"));
    const first = await run(["--spam", join(dir, "spam")]);
    expect(first).toMatchObject({
      code: 0,
      err: "",
      out: "2 learned\nlearned from 2 spam and 0 ham; Bayes is asked after 1 more ham\n",
    });
    expect(first.bars.at(-1)).toBe(1);
    expect((await run(["--spam", join(dir, "spam")])).out).toMatch(/^2 known already\n/);
    expect((await run(["--ham", ham])).out).toBe("1 learned\nlearned from 2 spam and 1 ham\n");
  });

  it("learns anew what it was taught wrongly, and forgets", async () => {
    const file = await put("1.eml", message(1, "pills"));
    await run(["--spam", file]);
    expect((await run(["--ham", file])).out).toMatch(
      /^1 learned anew\nlearned from 0 spam and 1 ham/,
    );
    expect((await run(["--forget", file])).out).toMatch(
      /^1 forgotten\nlearned from 0 spam and 0 ham/,
    );
    expect((await run(["--forget", file])).out).toMatch(/^1 not known\n/);
    expect((await store.tokens.summary(Date.now())).tokens).toBe(0);
  });

  it("knows a copy again with other line ends and fields", async () => {
    const text = message(1, "pills");
    await run(["--spam", await put("1.eml", text)]);
    const copy = `Delivered-To: x@example.net\nX-Spam-Flag: YES\n${text}`.replaceAll("\n", "\r\n");
    expect((await run(["--spam", await put("2.eml", copy)])).out).toMatch(/^1 known already/);
  });

  it("goes on after what cannot be read", async () => {
    await put("in/1.eml", message(1, "one"));
    await put("in/3.eml", Buffer.alloc(33 * 1024 * 1024, "x "));
    await put("in/4.eml", message(4, "four"));
    const said = await run(["--spam", join(dir, "none\u001b[2J"), join(dir, "in")]);
    expect(said.code).toBe(1);
    expect(said.out).toMatch(/^2 failed, 2 learned\n/);
    expect(said.err).toMatch(/none\\u\{1b\}\[2J: ENOENT/);
    expect(said.err).toMatch(/3\.eml: too large/);
    expect((await store.tokens.totals()).spam).toBe(2);
  });

  it("shows how far it is within an mbox", async () => {
    const from = "From a@b Fri Nov 20 10:00:00 2026\n";
    const box = Array.from({ length: 9 }, (_, n) => `${from}${message(n, "w ".repeat(5000))}\n`);
    const { bars } = await run(["--spam", await put("box", box.join(""))]);
    expect(bars).toHaveLength(9);
    expect(bars[4]).toBeGreaterThan(0.5);
    expect(bars[4]).toBeLessThan(0.65);
    expect(bars.at(-1)).toBe(1);
  });

  it("ends in the middle when it is told to, whole messages learned, and does the rest later", async () => {
    const from = "From a@b Fri Nov 20 10:00:00 2026\n";
    const box = Array.from({ length: 60 }, (_, n) => `${from}${message(n, `alike w${n}x`)}\n`);
    const path = await put("box", box.join(""));
    const over = new AbortController();
    let steps = 0;
    const half = await run(["--spam", path], "", over.signal, () => {
      if (++steps === 20) over.abort();
    });
    const [, done = ""] =
      /^interrupted: (\d+) learned; the same command again does the rest\n$/.exec(half.out) ?? [];
    expect(half.code).toBe(130);
    expect(Number(done)).toBeGreaterThanOrEqual(20);
    expect(Number(done)).toBeLessThan(30);
    expect((await store.tokens.totals()).spam).toBe(Number(done));
    const rest = await run(["--spam", path]);
    expect(rest.out).toMatch(new RegExp(`^${done} known already, ${60 - Number(done)} learned\n`));
    expect(await run(["--forget", path])).toMatchObject({ code: 0 });
    expect((await store.tokens.summary(Date.now())).tokens).toBe(0);
    expect((await run(["--forget", path], "", AbortSignal.abort())).code).toBe(130);
  });

  it("forgets what a mailbox taught", async () => {
    const [one, two] = [await put("1.eml", message(1, "x")), await put("2.eml", message(2, "y"))];
    await run(["--spam", one, "--mailbox", "A@example.org"]);
    await run(["--spam", two]);
    expect(await run(["--forget-mailbox", "a@Example.org"])).toMatchObject({
      code: 0,
      out: "a@Example.org: 1 forgotten\n",
    });
    expect(await run(["--forget-mailbox", "a@example.org"])).toMatchObject({ code: 1 });
    expect(await store.tokens.totals()).toEqual({ spam: 1, ham: 0 });
  });

  it("tells what was learned", async () => {
    await run(["--spam", await put("1.eml", message(1, "pills")), "--mailbox", "a@example.org"]);
    const { out } = await run(["--dump"]);
    expect(out).toMatch(/^learned from 1 spam and 0 ham/);
    expect(out).toMatch(/\ntokens {7}\d+ of at most 1000\n/);
    expect(out).toMatch(/\nmailbox {6}a@example\.org: 1\n$/);
    expect(JSON.parse((await run(["--dump", "--json"])).out)).toMatchObject({ spam: 1, ham: 0 });
  });

  it.each([
    [[]],
    [["--spam"]],
    [["--spam", "--ham", "x"]],
    [["--dump", "x"]],
    [["--forget", "x", "--mailbox", "a@b"]],
    [["--spam", "x", "--json"]],
    [["--odd", "x"]],
  ])("refuses %j", async (args) => {
    expect(await run(args)).toMatchObject({ code: 2, out: "" });
  });
});

describe("the sources of postern learn", () => {
  const names = async (...paths: string[]): Promise<string[]> =>
    (await sourceOf(paths)).files.map(({ path }) => path.slice(dir.length + 1));

  it("are what a Maildir delivers, without what is removed, and no links", async () => {
    for (const name of [
      "cur/1:2,S",
      "cur/2:2,ST",
      "new/3",
      "tmp/4",
      ".Junk/cur/5",
      "dovecot-uidlist",
    ])
      await put(`Maildir/${name}`, "x");
    await mkdir(join(dir, "Maildir/cur/deep"));
    await symlink("/etc/passwd", join(dir, "Maildir/new/link"));
    expect(await names(join(dir, "Maildir"))).toEqual(["Maildir/cur/1:2,S", "Maildir/new/3"]);
  });

  const split = async (octets: Buffer): Promise<string[]> => {
    const path = await put("box", octets);
    const found: string[] = [];
    for await (const { octets: one } of messagesOf({ path, size: 0 }, Readable.from([])))
      found.push(one === null ? "too large" : one.toString("latin1"));
    return found;
  };

  it("are the messages of an mbox, wherever the chunks end", async () => {
    const one = (n: number, size: number): string =>
      `From a@b Fri Nov 20 10:00:00 2026\nSubject: ${n}\n\nFrom here on\n${"y".repeat(size)}\nFrom \n\n`;
    for (const size of [0, 262_100, 262_144 - 80, 262_144 - 86, 262_144 - 90, 600_000]) {
      const parts = [one(1, size), one(2, 3), one(3, size)];
      expect(await split(Buffer.from(parts.join("")))).toEqual(parts);
      const crlf = parts.map((part) => part.replaceAll("\n", "\r\n"));
      expect(await split(Buffer.from(crlf.join("")))).toEqual(crlf);
    }
    for (let size = 262_000; size < 262_160; size += 5)
      expect(await split(Buffer.from(one(1, size) + one(2, 1)))).toHaveLength(2);
  });

  it("are a file as it stands when it is no mbox", async () => {
    expect(await split(Buffer.from("Subject: x\n\n\nFrom here\n"))).toHaveLength(1);
    expect(await split(Buffer.from("From"))).toEqual(["From"]);
    expect(await split(Buffer.alloc(0))).toEqual([]);
  });
});
