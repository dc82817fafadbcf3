// The quarantine on a real directory: what goes in comes out, in two phases, once per message, within bounds.
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UNKNOWN_CLIENT, type Body } from "../../src/mail/message.ts";
import { quarantine, type PreparedCopy, type Quarantine } from "../../src/mailstore/quarantine.ts";
import type { QuarantineInput } from "../../src/mailstore/quarantine-record.ts";

const never = new AbortController().signal;
const NOW = new Date("2026-11-21T12:00:00Z");
const CRASHED = 3_600_000;
let directory: string;
let store: Quarantine;
let warnings: string[];
let count = 0;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), "postern-quarantine-")), "kept");
  warnings = [];
  store = quarantine({ directory, warn: (text) => warnings.push(text) });
});
afterEach(async () => {
  await rm(join(directory, ".."), { recursive: true, force: true });
});

const inMemory = (...bytes: Buffer[]): Body => ({
  size: bytes.reduce((sum, b) => sum + b.length, 0),
  bytes,
  open: async function* () {
    yield* bytes;
  },
});
const streamed = (...bytes: Buffer[]): Body => ({ ...inMemory(...bytes), bytes: null });
const MESSAGE = Buffer.from("Subject: hi\r\nMessage-ID: <a@b>\r\n\r\nhello\r\n");
const address = (raw: string) => ({
  raw,
  local: raw.split("@")[0] ?? "",
  domain: raw.split("@")[1] ?? "",
});

function input(over: Partial<QuarantineInput> = {}): QuarantineInput {
  return {
    mailId: `m${String((count += 1)).padStart(10, "_")}z`,
    logId: "02689-06",
    category: "spam",
    body: inMemory(MESSAGE),
    headerSize: 35,
    sender: address("someone@remote.test"),
    senderParams: ["SIZE=10"],
    recipients: [
      {
        address: "User@example.com",
        params: [],
        blocked: true,
        disposition: "reject",
        category: "spam",
        score: 12,
      },
      {
        address: "lover@example.com",
        params: [],
        blocked: false,
        disposition: "tag",
        category: "spam",
        score: 12,
      },
    ],
    messageId: "<a@b>",
    subject: "hi",
    client: UNKNOWN_CLIENT,
    findings: [{ check: "spam", symbol: "GTUBE", category: "spam", score: 1000, detail: "x" }],
    lines: ["X-Spam-Flag: YES", "Received: from x\r\n by y"],
    receivedAt: NOW,
    ...over,
  };
}

async function prepared(what: QuarantineInput): Promise<Extract<PreparedCopy, { ok: true }>> {
  const copy = await store.prepare(what, never);
  if (!copy.ok) throw new Error(copy.failed.text);
  return copy;
}
async function keep(what: QuarantineInput): Promise<string> {
  const copy = await prepared(what);
  expect(await copy.commit()).toMatchObject({ kind: "ok" });
  return copy.id;
}
async function ids(filter = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of store.list(filter)) found.push(entry.id);
  return found.sort();
}
async function octets(id: string): Promise<Buffer> {
  const found = await store.read(id);
  if (found === null) throw new Error("no such entry");
  const pieces: Buffer[] = [];
  for await (const piece of found.body.open()) pieces.push(piece);
  return Buffer.concat(pieces);
}
async function filesBelow(path: string): Promise<string[]> {
  const all = await readdir(path, { recursive: true, withFileTypes: true });
  return all
    .filter((e) => !e.isDirectory() && !e.parentPath.includes(".keys"))
    .map((e) => e.name)
    .sort();
}

test("keeps a message under amavis' name, mode and header lines", async () => {
  const what = input();
  const id = await keep(what);
  expect(id).toBe(what.mailId);
  const path = join(directory, "m", `spam-${id}.gz`);
  expect((await stat(path)).mode & 0o777).toBe(0o640);
  expect(gunzipSync(await readFile(path)).toString()).toBe(
    [
      "Return-Path: <someone@remote.test>",
      "Delivered-To: spam-quarantine",
      "X-Envelope-From: <someone@remote.test>",
      "X-Envelope-To: <User@example.com>, <lover@example.com>",
      "X-Envelope-To-Blocked: <User@example.com>",
      `X-Quarantine-ID: <${id}>`,
      "X-Spam-Flag: YES",
      "Received: from x\r\n by y",
      MESSAGE.toString(),
    ].join("\r\n"),
  );
  expect(await filesBelow(directory)).toEqual([`spam-${id}.gz`, `spam-${id}.json`]);
  const found = await store.read(id);
  expect(found?.entry).toMatchObject({
    file: `m/spam-${id}.gz`,
    size: MESSAGE.length,
    attempts: 1,
  });
});

test("gives back exactly the octets that came, in memory or streamed", async () => {
  const content = fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(content, fc.boolean(), async (pieces, memory) => {
      const buffers = pieces.map((piece) => Buffer.from(piece));
      const body = memory ? inMemory(...buffers) : streamed(...buffers);
      const id = await keep(input({ body, headerSize: 5, messageId: `<${count}@x>` }));
      expect((await octets(id)).equals(Buffer.concat(buffers))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test("streams a large message through", async () => {
  const piece = Buffer.alloc(100_000, "0123456789\r\n");
  const pieces = Array.from({ length: 60 }, () => piece);
  const id = await keep(input({ body: streamed(...pieces) }));
  expect((await octets(id)).equals(Buffer.concat(pieces))).toBe(true);
});

describe("two phases", () => {
  test("prepared is hidden, aborted is gone", async () => {
    const copy = await prepared(input());
    expect(await ids()).toEqual([]);
    expect((await filesBelow(directory)).every((name) => name.startsWith("."))).toBe(true);
    await copy.abort();
    expect(await filesBelow(directory)).toEqual([]);
  });

  test("revoked after commit is gone, and the message can be kept anew", async () => {
    const copy = await prepared(input());
    await copy.commit();
    await copy.revoke();
    expect(await filesBelow(directory)).toEqual([]);
    expect(await ids()).toEqual([]);
    await keep(input());
    expect(await ids()).toHaveLength(1);
  });

  test("commit never replaces a file that has the name", async () => {
    const copy = await prepared(input({ mailId: "taken_______z".slice(0, 12).replace(/_$/, "z") }));
    const path = join(directory, copy.file);
    await writeFile(path, "foreign");
    expect(await copy.commit()).toMatchObject({ kind: "tempfail" });
    expect(await readFile(path, "utf8")).toBe("foreign");
    expect(await filesBelow(directory)).toHaveLength(1);
  });

  test("an aborted deadline and a lying body leave nothing", async () => {
    for (const body of [inMemory(MESSAGE), streamed(MESSAGE)]) {
      expect(await store.prepare(input({ body }), AbortSignal.abort())).toMatchObject({
        ok: false,
      });
    }
    const lying = { ...streamed(MESSAGE), size: 1_000_000 };
    const copy = await store.prepare(input({ body: lying }), never);
    expect(copy).toMatchObject({ ok: false, failed: { kind: "tempfail", code: 451 } });
    expect(await filesBelow(directory)).toEqual([]);
    expect(warnings.length).toBeGreaterThan(0);
  });

  test.each([1, 2])("a deadline that passes in reading %d leaves nothing", async (reading) => {
    const deadline = new AbortController();
    const piece = Buffer.alloc(300_000, "x");
    let readings = 0;
    const open = async function* (): AsyncGenerator<Buffer> {
      readings += 1;
      yield piece;
      if (readings === reading) deadline.abort();
      yield piece;
    };
    const body = { size: 2 * piece.length, bytes: null, open };
    const copy = await store.prepare(input({ body }), deadline.signal);
    expect(copy).toMatchObject({ ok: false, failed: { kind: "tempfail" } });
    expect(readings).toBe(reading);
    expect(await filesBelow(join(directory, ".."))).toEqual([]);
  });

  test("leftovers of a crash are swept once they are old; a completed entry stays", async () => {
    const old = new Date(NOW.getTime() - 2 * CRASHED);
    const done = await keep(input());
    const crashed = await prepared(input({ messageId: "<other@x>" }));
    const half = input({ messageId: "<half@x>" });
    await prepared(half);
    // Between the two names that commit gives: the octets are visible, the entry is not.
    await writeFile(join(directory, "m", `spam-${half.mailId}.gz`), "octets");
    await writeFile(join(directory, "m", `spam-aaaaaaaaaaaa.gz`), "of another program");
    for (const name of await readdir(join(directory, "m")))
      await utimes(join(directory, "m", name), old, old);
    expect(await store.sweep({ olderThanMs: 3 * CRASHED, now: NOW })).toBe(0);
    expect(await store.sweep({ olderThanMs: CRASHED, now: NOW })).toBe(4);
    expect(await filesBelow(directory)).toEqual(
      [`spam-${done}.gz`, `spam-${done}.json`, "spam-aaaaaaaaaaaa.gz"].sort(),
    );
    expect(crashed.ok).toBe(true);
  });
});

describe("retries", () => {
  test("the same message updates its first entry", async () => {
    const first = await keep(input());
    const later = new Date(NOW.getTime() + 60_000);
    const newcomer = {
      address: "third@example.com",
      params: [],
      blocked: true,
      disposition: "reject",
      category: "spam",
      score: 9,
    };
    const copy = await prepared(input({ receivedAt: later, recipients: [newcomer] }));
    expect(copy.id).toBe(first);
    await copy.commit();
    expect(await ids()).toEqual([first]);
    const entry = (await store.read(first))?.entry;
    expect(entry).toMatchObject({
      attempts: 2,
      lastTime: later.toISOString(),
      time: NOW.toISOString(),
    });
    expect(entry?.recipients.map((r) => r.address)).toEqual([
      "User@example.com",
      "lover@example.com",
      "third@example.com",
    ]);
    await copy.revoke();
    expect(await ids()).toEqual([first]);
  });

  test("what was dangerous stays so, whatever today's scanners say", async () => {
    const virus = {
      check: "virus",
      symbol: "VIRUS",
      category: "virus",
      score: 0,
      detail: "x",
    } as const;
    const note = { ...virus, symbol: "NOTE", category: "note" } as const;
    const first = await keep(input({ findings: [virus, note] }));
    for (const findings of [[{ ...note, symbol: "NEW" }], [virus]] as const) {
      await keep(input({ findings }));
      const found = (await store.read(first))?.entry.findings ?? [];
      expect(found.filter(({ category }) => category === "virus")).toEqual([virus]);
      expect(found.map(({ symbol }) => symbol)).not.toContain("NOTE");
    }
  });

  test("an aborted retry changes nothing", async () => {
    const first = await keep(input());
    await (await prepared(input())).abort();
    expect((await store.read(first))?.entry.attempts).toBe(1);
    expect(await filesBelow(directory)).toHaveLength(2);
  });

  test.each([
    ["another sender", { sender: null }],
    ["another Message-ID", { messageId: "<c@d>" }],
    ["another body", { body: inMemory(MESSAGE, Buffer.from("x")) }],
  ])("%s is another message", async (_, over) => {
    await keep(input());
    await keep(input(over));
    expect(await ids()).toHaveLength(2);
  });

  test("another header alone (a new Received) is the same message", async () => {
    await keep(input());
    const received = Buffer.from("Received: x\r\n");
    await keep(input({ body: inMemory(received, MESSAGE), headerSize: 35 + received.length }));
    expect(await ids()).toHaveLength(1);
  });

  test("a retry of an entry deleted meanwhile is not promised", async () => {
    const first = await keep(input());
    const copy = await prepared(input());
    await store.remove(first);
    expect(await copy.commit()).toMatchObject({ kind: "tempfail" });
  });
});

test("lists by category, recipient and time", async () => {
  const spam = await keep(input());
  const virus = await keep(input({ category: "virus", messageId: "<v@x>" }));
  const late = await keep(
    input({
      category: "malformed",
      messageId: "<b@x>",
      receivedAt: new Date(NOW.getTime() + 5_000),
    }),
  );
  expect(await ids()).toEqual([spam, virus, late].sort());
  expect(await ids({ category: "virus" })).toEqual([virus]);
  expect(await ids({ category: "badh" })).toEqual([late]);
  expect(await ids({ recipient: "user@EXAMPLE.com" })).toHaveLength(3);
  expect(await ids({ recipient: "nobody@example.com" })).toEqual([]);
  expect(await ids({ since: new Date(NOW.getTime() + 1) })).toEqual([late]);
});

test("removes an entry with both files", async () => {
  const id = await keep(input());
  expect(await store.remove(id)).toBe(true);
  expect(await store.remove(id)).toBe(false);
  expect(await filesBelow(directory)).toEqual([]);
});

test("notes a release", async () => {
  const id = await keep(input());
  expect(await store.markReleased(id, { recipients: ["user@example.com"], by: "test" }, NOW)).toBe(
    true,
  );
  expect((await store.read(id))?.entry.released).toEqual([
    { time: NOW.toISOString(), recipients: ["user@example.com"], by: "test" },
  ]);
  expect(await store.markReleased("aaaaaaaaaaaa", { recipients: [] }, NOW)).toBe(false);
});

test("what root's command writes belongs to whom the directory belongs to", async () => {
  const id = await keep(input());
  const owner = process.geteuid?.() === 0 ? 12_345 : (process.geteuid?.() ?? 0);
  for (const path of [directory, join(directory, "m")]) await chown(path, owner, -1);
  await store.markReleased(id, { recipients: ["user@example.com"], by: "test" }, NOW);
  expect((await stat(join(directory, "m", `spam-${id}.json`))).uid).toBe(owner);
});

describe("hostile names and files", () => {
  test.each([
    "",
    "..",
    "../../etc/pw",
    "a/b/c/d/e/f/",
    "aaaaaaaaaaa",
    "aaaaaaaaaaaaa",
    "-aaaaaaaaaaa",
    "aaaaaaaaaaa\0",
    "aaaaaa aaaaa",
  ])("%j is no entry", async (id) => {
    expect(await store.read(id)).toBeNull();
    expect(await store.remove(id)).toBe(false);
    expect(await store.markReleased(id, { recipients: [] }, NOW)).toBe(false);
  });

  test("a mail id that is none is refused", async () => {
    expect(await store.prepare(input({ mailId: "../../../etc" }), never)).toMatchObject({
      ok: false,
    });
  });

  test("foreign, torn and lying JSON files are passed over", async () => {
    const id = await keep(input());
    const json = await readFile(join(directory, "m", `spam-${id}.json`), "utf8");
    await writeFile(join(directory, "m", "notes.txt"), "x");
    await writeFile(join(directory, "m", "spam-aaaaaaaaaaaa.json"), json);
    await writeFile(join(directory, "m", "spam-bbbbbbbbbbbb.json"), json.slice(0, 50));
    await writeFile(
      join(directory, "m", "spam-cccccccccccc.json"),
      JSON.stringify({ ...JSON.parse(json), id: "cccccccccccc", file: "../../x" }),
    );
    await symlink("/etc/passwd", join(directory, "m", "spam-dddddddddddd.json"));
    expect(await ids()).toEqual([id]);
  });

  test("a bomb is inflated no further than what was stored; damage is told", async () => {
    const id = await keep(input());
    const path = join(directory, "m", `spam-${id}.gz`);
    const good = await readFile(path);
    await writeFile(path, gzipSync(Buffer.alloc(5_000_000)));
    await expect(octets(id)).rejects.toThrow("longer");
    await writeFile(path, gzipSync(gunzipSync(good).subarray(0, -1)));
    await expect(octets(id)).rejects.toThrow("shorter");
    await writeFile(
      path,
      gzipSync(Buffer.concat([gunzipSync(good).subarray(0, -1), Buffer.from("X")])),
    );
    await expect(octets(id)).rejects.toThrow("damaged");
    await writeFile(path, good.subarray(0, 20));
    await expect(octets(id)).rejects.toThrow();
    await rm(path);
    expect(await store.read(id)).toBeNull();
  });

  test("a directory that others can write to takes nothing", async () => {
    await mkdir(join(directory, "m"), { recursive: true });
    await chmod(join(directory, "m"), 0o777);
    expect(await store.prepare(input(), never)).toMatchObject({ ok: false, failed: { code: 451 } });
    expect(warnings.join()).toContain("writable by others");
  });

  test("a linked directory takes nothing", async () => {
    await mkdir(directory, { recursive: true });
    await symlink(tmpdir(), join(directory, "m"));
    expect(await store.prepare(input(), never)).toMatchObject({ ok: false });
  });
});

describe("expiry", () => {
  async function aged(minutes: number): Promise<string> {
    const id = await keep(input({ messageId: `<${count}@aged>` }));
    const time = new Date(NOW.getTime() - minutes * 60_000);
    await utimes(join(directory, "m", `spam-${id}.gz`), time, time);
    return id;
  }
  const bounds = { maxAgeMs: 60 * 60_000, maxBytes: 1e9, now: NOW };

  test("removes what is too old, in bounded runs, oldest first", async () => {
    const [a, b, c] = [await aged(300), await aged(200), await aged(10)];
    await appendFile(join(directory, "m", "spam-eeeeeeeeeeee.gz"), "of another program");
    expect(await store.expire({ ...bounds, limit: 1 })).toMatchObject({
      removed: 1,
      entries: 2,
      more: true,
    });
    expect(await ids()).toEqual([b, c].sort());
    expect(await store.expire(bounds)).toMatchObject({ removed: 1, entries: 1, more: false });
    expect(await ids()).toEqual([c]);
    expect(a).not.toBe(b);
    expect(await filesBelow(directory)).toContain("spam-eeeeeeeeeeee.gz");
  });

  test("removes the oldest until the bytes fit", async () => {
    const all = [await aged(30), await aged(20), await aged(10)];
    const size = (await stat(join(directory, "m", `spam-${all[2]}.gz`))).size;
    expect(await store.expire({ ...bounds, maxBytes: size + 5 })).toMatchObject({
      removed: 2,
      entries: 1,
    });
    expect(await ids()).toEqual([all[2]]);
  });

  test("an empty quarantine is no error", async () => {
    expect(await store.expire(bounds)).toEqual({ removed: 0, entries: 0, bytes: 0, more: false });
    expect(await ids()).toEqual([]);
  });
});
