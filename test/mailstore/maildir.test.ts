// Files in Maildirs: two phases, names, planted links, foreign directories, full disks, quota.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mailstore } from "../../src/mailstore/maildir.ts";
import type { Mailstore, PreparedFile } from "../../src/mailstore/maildir.ts";
import type { Quota } from "../../src/mailstore/quota.ts";
import { storedForm } from "../../src/mailstore/stored-form.ts";
import { withSubscription } from "../../src/mailstore/subscriptions.ts";
import { octets, streamed } from "../fakes/copy.ts";

const NEVER = new AbortController().signal;
const BOX = "example.test/alice/Maildir";
const MESSAGE = "Subject: x\r\n\r\nbody\r\n";
const HEAD = Buffer.from("Return-Path: <>\n");
const STORED = "Return-Path: <>\nSubject: x\n\nbody\n";
const isRoot = process.geteuid?.() === 0;

let root: string;
let mailRoot: string;
let store: Mailstore;
let alerts: string[];

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "postern-maildir-"));
  mailRoot = path.join(root, "mail");
  alerts = [];
  store = open();
  await store.ready();
});
afterEach(async () => {
  store.close();
  await rm(root, { recursive: true });
});

function open(maxOpen: number = 256): Mailstore {
  return mailstore({
    mailRoot,
    hostname: "mx/1",
    maxOpen,
    alert: (error) => void alerts.push(error.message),
  });
}

async function prepare(
  folder: string = "",
  quota: Quota | null = null,
  text: string = MESSAGE,
): Promise<PreparedFile> {
  const form = await storedForm(octets(text), NEVER);
  return store.prepare(BOX, folder, { head: HEAD, form }, quota, NEVER);
}

async function code(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "ok",
    (error: NodeJS.ErrnoException) => error.code ?? error.name,
  );
}

const inBox = (folder: string): string[] => readdirSync(path.join(mailRoot, BOX, folder));

describe("two phases", () => {
  test("prepared is in tmp/ only; committed is in new/ only, named by its sizes", async () => {
    const file = await prepare();
    expect([inBox("tmp").length, inBox("new").length]).toEqual([1, 0]);
    await file.commit();
    expect([inBox("tmp").length, inBox("new").length]).toEqual([0, 1]);
    const name = inBox("new")[0] as string;
    expect(name).toMatch(/^\d{10}\.M\d{1,6}P\d+R[0-9a-f]{8}\.mx\\0571,S=33,W=37$/);
    const where = path.join(mailRoot, BOX, "new", name);
    expect(readFileSync(where, "latin1")).toBe(STORED);
    expect(file.size).toBe(33);
    expect(statSync(where).mode & 0o777).toBe(0o600);
    for (const directory of ["", "/tmp", "/new", "/cur"]) {
      expect(statSync(path.join(mailRoot, BOX) + directory).mode & 0o777).toBe(0o700);
    }
  });

  test("aborted leaves nothing", async () => {
    await (await prepare("", { octets: 40, messages: null })).abort();
    expect([inBox("tmp").length, inBox("new").length]).toEqual([0, 0]);
    // The room it had reserved is free again.
    await (await prepare("", { octets: 40, messages: null })).commit();
  });

  test("names never repeat", async () => {
    const files = await Promise.all(Array.from({ length: 200 }, () => prepare()));
    await Promise.all(files.map((file) => file.commit()));
    expect(new Set(inBox("new")).size).toBe(200);
  });

  test("few open folders serve many mailboxes", async () => {
    store.close();
    store = open(2);
    const form = await storedForm(octets(MESSAGE), NEVER);
    const deliver = async (i: number): Promise<void> => {
      const file = await store.prepare(
        `example.test/u${i % 10}/Maildir`,
        "",
        { head: HEAD, form },
        null,
        NEVER,
      );
      await file.commit();
    };
    await Promise.all(Array.from({ length: 100 }, (_, i) => deliver(i)));
    for (let i = 0; i < 10; i++)
      expect(readdirSync(`${mailRoot}/example.test/u${i}/Maildir/new`)).toHaveLength(10);
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 40; i++) await deliver(i);
    expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before + 6);
  });
});

describe("the stored form", () => {
  const SAMPLE =
    "Return-Path: <a>\r\n b\r\nReceived: x\r\nreturn-PATH : c\r\nDelivered-To: Me@x\r\nX: y\r\n\r\nReturn-Path: stays\r\nbare\nlf\rcr\r\r\n\r\n";
  const EXPECTED =
    "Received: x\nDelivered-To: Me@x\nX: y\n\nReturn-Path: stays\nbare\nlf\rcr\r\n\n";
  test.each([1, 2, 7, Infinity])("pieces of %d octets, in memory and streamed", async (size) => {
    const memory = octets(SAMPLE, size);
    const stream = streamed(memory.size, () => memory.open());
    for (const body of [memory, stream]) {
      const form = await storedForm(body, NEVER);
      expect([...form.deliveredTo]).toEqual(["me@x"]);
      const pieces = [];
      for await (const piece of form.open()) pieces.push(piece);
      expect(Buffer.concat(pieces.map(({ data }) => data)).toString()).toBe(EXPECTED);
      const lines = pieces.reduce((sum, piece) => sum + piece.lines, 0);
      expect(lines).toBe(EXPECTED.split("\n").length - 1);
    }
  });

  test("no header, no body, only white space", async () => {
    for (const text of ["", "\r\n", " x\r\n", "Return-Path: x\r\n", "x"]) {
      const form = await storedForm(octets(text), NEVER);
      const data = (form.pieces ?? []).map((piece) => piece.data.toString()).join("");
      expect(data).toBe(text.startsWith("Return") ? "" : text.replaceAll("\r\n", "\n"));
      expect(form.startsFolded).toBe(text.startsWith(" "));
    }
  });
});

describe("paths", () => {
  const planted: readonly (readonly [string, string])[] = [
    ["a domain", "example.test"],
    ["a user", "example.test/alice"],
    ["the Maildir", BOX],
    ["new", `${BOX}/new`],
    ["tmp", `${BOX}/tmp`],
    ["cur", `${BOX}/cur`],
  ];
  test.each(planted)("a link in place of %s writes nothing elsewhere", async (_, where) => {
    const outside = path.join(root, "outside");
    mkdirSync(outside, { mode: 0o700 });
    const link = path.join(mailRoot, where);
    mkdirSync(path.dirname(link), { recursive: true, mode: 0o700 });
    symlinkSync(outside, link);
    expect(await code(prepare())).toBe("EUNSAFE");
    expect(readdirSync(outside)).toEqual([]);
    expect(alerts).toHaveLength(1);
    expect(readlinkSync(link)).toBe(outside);
  });

  test("links in place of files are not followed", async () => {
    const secret = path.join(root, "secret");
    writeFileSync(secret, "1S\n");
    await store.createFolder(BOX, ".Junk");
    rmSync(path.join(mailRoot, BOX, "subscriptions"));
    for (const name of ["maildirsize", "subscriptions"])
      symlinkSync(secret, path.join(mailRoot, BOX, name));
    await (await prepare("", { octets: 1000, messages: null })).commit();
    await store.createFolder(BOX, ".Other");
    expect(readFileSync(secret, "utf8")).toBe("1S\n");
  });

  test.each([0o770, 0o707, 0o777])("a directory of mode %o is refused", async (mode) => {
    await store.createMailbox(BOX);
    chmodSync(path.join(mailRoot, BOX, "new"), mode);
    expect(await code(prepare())).toBe("EUNSAFE");
    expect(inBox("tmp")).toEqual([]);
  });

  test.skipIf(!isRoot)("a foreign directory is refused (skipped unless root)", async () => {
    await store.createMailbox(BOX);
    chownSync(path.join(mailRoot, "example.test/alice"), 12_345, 12_345);
    expect(await code(prepare())).toBe("EUNSAFE");
  });

  test.skipIf(!isRoot)("root works for the owner of mail_root (skipped unless root)", async () => {
    chownSync(mailRoot, 12_345, 12_345);
    const files = await Promise.all(Array.from({ length: 50 }, () => prepare()));
    await Promise.all(files.map((file) => file.commit()));
    await store.createFolder(BOX, ".Junk");
    const all = readdirSync(mailRoot, { recursive: true, encoding: "utf8" });
    expect(new Set(all.map((name) => statSync(path.join(mailRoot, name)).uid))).toEqual(
      new Set([12_345]),
    );
  });

  test.each(["../x/Maildir", "a//b", "a/./b", "a/\0/b", "", `${"x".repeat(300)}/Maildir`])(
    "mailbox %j is refused",
    async (mailbox) => {
      expect(await code(store.createMailbox(mailbox))).toBe("EUNSAFE");
      expect(readdirSync(root)).toEqual(["mail"]);
      expect(readdirSync(mailRoot)).toEqual(
        mailbox === "a/./b" || mailbox === "a//b" || mailbox === "a/\0/b" ? ["a"] : [],
      );
    },
  );

  test("a folder that was replaced is noticed when its files cannot be made", async () => {
    await store.createFolder(BOX, ".Junk");
    await (await prepare(".Junk")).commit();
    rmSync(path.join(mailRoot, BOX, ".Junk"), { recursive: true });
    expect(await code(prepare(".Junk"))).toBe("ENOENT");
    await store.createFolder(BOX, ".Junk");
    await (await prepare(".Junk")).commit();
    expect(inBox(".Junk/new")).toHaveLength(1);
  });

  test("a commit into a folder that is gone rejects", async () => {
    await store.createFolder(BOX, ".Junk");
    const file = await prepare(".Junk");
    rmSync(path.join(mailRoot, BOX, ".Junk"), { recursive: true });
    expect(await code(file.commit())).toBe("ENOENT");
    renameSync(path.join(mailRoot, BOX), path.join(mailRoot, "moved"));
  });
});

describe("folders", () => {
  test("are made whole, marked and subscribed once", async () => {
    await store.createFolder(BOX, ".Lists.caf&AOk-");
    await store.createFolder(BOX, ".Lists.caf&AOk-");
    expect(inBox(".Lists.caf&AOk-").sort()).toEqual(["cur", "maildirfolder", "new", "tmp"]);
    expect(readFileSync(path.join(mailRoot, BOX, "subscriptions"), "latin1")).toBe(
      "V\t2\n\nLists\tcaf&AOk-\n",
    );
  });

  test("twenty made at once are all subscribed", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `.f${i % 10}`);
    await Promise.all(names.map((name) => store.createFolder(BOX, name)));
    const lines = readFileSync(path.join(mailRoot, BOX, "subscriptions"), "latin1").split("\n");
    expect(lines.slice(2, -1).sort()).toEqual(
      [...new Set(names)].map((name) => name.slice(1)).sort(),
    );
  });

  test("match in other case, exact first; directories that are none do not", async () => {
    expect(await store.matchFolder(BOX, ".Junk")).toBeNull();
    for (const name of [".junk", ".Lists"]) await store.createFolder(BOX, name);
    mkdirSync(path.join(mailRoot, BOX, ".Empty"), { mode: 0o700 });
    expect(await store.matchFolder(BOX, ".JUNK")).toBe(".junk");
    expect(await store.matchFolder(BOX, ".lists")).toBe(".Lists");
    expect(await store.matchFolder(BOX, ".Empty")).toBeNull();
    await store.createFolder(BOX, ".JUNK");
    expect(await store.matchFolder(BOX, ".JUNK")).toBe(".JUNK");
  });

  test.each([
    ["", ".a.b", "V\t2\n\na\tb\n"],
    ["V\t2\n\nINBOX\n", ".Junk", "V\t2\n\nINBOX\nJunk\n"],
    ["V\t2\n\na\tb\n", ".a.b", null],
    ["Sent\n", ".a.b", "Sent\na.b\n"],
    ["Sent", ".Junk", "Sent\nJunk\n"],
    ["a/b\n", ".a.b", null],
    ["V\t3\n\n", ".Junk", null],
  ])("subscriptions %j and %s", (before, folder, after) => {
    expect(withSubscription(before, folder)).toBe(after);
  });

  test("old files in tmp/ are swept, young ones and mail stay", async () => {
    await store.createFolder(BOX, ".Junk");
    await (await prepare()).commit();
    for (const folder of ["tmp", ".Junk/tmp"]) {
      for (const [name, hours] of [
        ["old", 37],
        ["young", 35],
      ] as const) {
        const file = path.join(mailRoot, BOX, folder, name);
        writeFileSync(file, "x");
        const at = Date.now() / 1000 - hours * 3600;
        utimesSync(file, at, at);
      }
    }
    expect(await store.sweep()).toBe(2);
    expect([inBox("tmp"), inBox(".Junk/tmp"), inBox("new").length]).toEqual([
      ["young"],
      ["young"],
      1,
    ]);
  });
});

describe("quota", () => {
  const size = (): string => readFileSync(path.join(mailRoot, BOX, "maildirsize"), "latin1");

  test("is counted from the files at first, then appended to", async () => {
    await (await prepare()).commit();
    const quota = { octets: 1000, messages: 10 };
    await (await prepare("", quota)).commit();
    expect(size()).toBe("1000S,10C\n33 1\n33 1\n");
    expect(await store.usage(BOX, quota)).toEqual({ octets: 66, messages: 2 });
    // Without a quota of ours the file of the IMAP server is kept up all the same.
    store.close();
    store = open();
    await (await prepare()).commit();
    expect(size()).toBe("1000S,10C\n33 1\n33 1\n33 1\n");
  });

  test("another limit, a broken or long file: counted anew", async () => {
    await (await prepare()).commit();
    for (const text of [
      "5S\n1 1\n",
      "1000S\nx y\n",
      "1000S\n-5 1\n",
      "1000S\n" + "0 0\n".repeat(2000),
    ]) {
      writeFileSync(path.join(mailRoot, BOX, "maildirsize"), text);
      expect(await store.usage(BOX, { octets: 1000, messages: null })).toEqual({
        octets: 33,
        messages: 1,
      });
      expect(size()).toBe("1000S\n33 1\n");
    }
  });

  test("a full mailbox and a message that can never fit", async () => {
    await (await prepare("", { octets: 50, messages: null })).commit();
    await expect(prepare("", { octets: 50, messages: null })).rejects.toMatchObject({
      code: "EOVERQUOTA",
      never: false,
    });
    await expect(prepare("", { octets: 20, messages: null })).rejects.toMatchObject({
      code: "EOVERQUOTA",
      never: true,
    });
    await expect(prepare("", { octets: null, messages: 1 })).rejects.toMatchObject({
      code: "EOVERQUOTA",
    });
    expect(inBox("tmp")).toEqual([]);
  });

  test("fifty at once do not pass the limit together", async () => {
    const quota = { octets: 33 * 10, messages: null };
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => prepare("", quota)));
    const files = outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(files).toHaveLength(10);
    await Promise.all(files.map((file) => file.commit()));
    expect(inBox("new")).toHaveLength(10);
    expect(await store.usage(BOX, quota)).toEqual({ octets: 330, messages: 10 });
  });

  test("streamed mail is measured before it counts", async () => {
    const body = streamed(MESSAGE.length, () => octets(MESSAGE).open());
    const form = await storedForm(body, NEVER);
    const run = store.prepare(BOX, "", { head: HEAD, form }, { octets: 20, messages: null }, NEVER);
    expect(await code(run)).toBe("EOVERQUOTA");
    expect(inBox("tmp")).toEqual([]);
  });
});

test.skipIf(!isRoot)("a full disk leaves nothing behind (skipped unless root)", async () => {
  const small = path.join(root, "small");
  mkdirSync(small);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", small]);
  try {
    mailRoot = path.join(small, "mail");
    store.close();
    store = open();
    await store.ready();
    expect(await code(prepare("", null, "x".repeat(100_000)))).toBe("ENOSPC");
    expect([inBox("tmp"), inBox("new")]).toEqual([[], []]);
    await (await prepare()).commit();
    expect(inBox("new")).toHaveLength(1);
    store.close();
    // Descriptors close in the background; a lazy unmount does not wait for them.
  } finally {
    execFileSync("umount", ["-l", small]);
  }
});
