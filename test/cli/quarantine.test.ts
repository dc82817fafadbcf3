// The quarantine command over a real store and a recording destination.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { quarantine as command, type QuarantineDeps } from "../../src/cli/quarantine.ts";
import { terminalLines, terminalText } from "../../src/cli/escape.ts";
import type { Copy, Destination } from "../../src/mail/destination.ts";
import { UNKNOWN_CLIENT, type Recipient } from "../../src/mail/message.ts";
import { ok, reject, type Reply } from "../../src/mail/reply.ts";
import { quarantine, type Quarantine } from "../../src/mailstore/quarantine.ts";

const NOW = new Date("2026-11-21T12:00:00Z");
const MESSAGE = [
  "Received: from a by b",
  "X-Spam-Flag: NO",
  "X-Amavis-Alert: forged",
  "X-Envelope-To: forged",
  "Subject: hi \x1b[31mred",
  "Message-ID: <a@b>",
  "",
  "body \x07 line",
  "",
].join("\r\n");
const address = (raw: string) => ({
  raw,
  local: raw.split("@")[0] ?? "",
  domain: raw.split("@")[1] ?? "",
});

let root: string;
let store: Quarantine;
let out: string;
let err: string;
let logged: string[];
let sent: { copy: Copy; recipients: readonly Recipient[]; octets: string }[];
let answer: (recipient: string) => Reply;
let maxBytes: number;
let rotated: number;
let asked: (string | undefined)[];

const destination: Destination = {
  prepare: async (copy, recipients) => {
    const pieces: Buffer[] = [];
    for await (const piece of copy.body.open()) pieces.push(piece);
    sent.push({ copy, recipients, octets: Buffer.concat(pieces).toString() });
    const replies = recipients.map((r) => answer(r.address.raw));
    return { replies, commit: async () => replies, abort: async () => {} };
  },
};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-cli-"));
  store = quarantine({ directory: join(root, "kept"), warn: () => {} });
  [out, err, logged, sent] = ["", "", [], []];
  answer = () => ok("queued");
  maxBytes = 1e9;
  rotated = 0;
  asked = [];
});
afterEach(async () => rm(root, { recursive: true, force: true }));

async function keep(
  mailId: string,
  over: {
    category?: "spam" | "virus";
    blocked?: boolean;
    at?: Date;
    nextHop?: string;
    text?: string;
  } = {},
): Promise<void> {
  const body = Buffer.from(over.text ?? MESSAGE);
  const copy = await store.prepare(
    {
      mailId,
      logId: "1-1",
      category: over.category ?? "spam",
      body: {
        size: body.length,
        bytes: [body],
        open: async function* () {
          yield body;
        },
      },
      headerSize: MESSAGE.indexOf("\r\n\r\n") + 4,
      sender: address(`${mailId}@remote.test`),
      senderParams: ["SIZE=7", "BODY=8BITMIME"],
      recipients: [
        {
          address: "user@example.com",
          params: ["NOTIFY=NEVER"],
          blocked: over.blocked ?? true,
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
      subject: "hi \x1b[31mred",
      client: UNKNOWN_CLIENT,
      ...(over.nextHop !== undefined && { nextHop: over.nextHop }),
      findings: [],
      lines: [],
      receivedAt: over.at ?? NOW,
    },
    new AbortController().signal,
  );
  if (!copy.ok || (await copy.commit()).kind !== "ok") throw new Error("not kept");
}

function run(...args: string[]): Promise<number> {
  const deps: QuarantineDeps = {
    quarantine: store,
    destination: (nextHop) => {
      asked.push(nextHop);
      return destination;
    },
    by: "command line (root)",
    rotateKey: async () => {
      rotated += 1;
    },
    digest: async (recipients) => recipients.map((recipient) => `${recipient}: sent\x1b`),
    hostname: "mx.example.com",
    now: () => NOW,
    newMailId: () => "newnewnewnew",
    log: (line) => logged.push(line),
    maxAgeMs: 30 * 86_400_000,
    maxBytes,
    deadlineMs: 5_000,
  };
  return command(
    args,
    {
      out: async (data) => {
        out += data.toString();
      },
      err: (text) => {
        err += text;
      },
    },
    deps,
  );
}

describe("list", () => {
  beforeEach(async () => {
    await keep("aaaaaaaaaaaa");
    await keep("bbbbbbbbbbbb", { category: "virus", at: new Date(NOW.getTime() - 3 * 86_400_000) });
  });
  test("one line each, oldest first, safe for a terminal", async () => {
    expect(await run("list")).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines.map((line) => line.slice(0, 12))).toEqual(["bbbbbbbbbbbb", "aaaaaaaaaaaa"]);
    expect(lines[1]).toContain(
      "<aaaaaaaaaaaa@remote.test> -> <user@example.com> +1  hi \\u{1b}[31mred",
    );
  });
  test.each([
    [["--category", "virus"], "bbbbbbbbbbbb"],
    [["--since", "2d"], "aaaaaaaaaaaa"],
    [["--recipient", "USER@example.com", "--category", "spam"], "aaaaaaaaaaaa"],
    [["--before", "1d"], "bbbbbbbbbbbb"],
    [["--sender", "BBBBBBBBBBBB@remote.test"], "bbbbbbbbbbbb"],
    [["--recipient", "@example.com", "--since", "2d", "--subject", "RED"], "aaaaaaaaaaaa"],
    [["--larger", "100", "--smaller", "1K", "--since", "2d"], "aaaaaaaaaaaa"],
  ])("filter %j", async (flags, id) => {
    expect(await run("list", ...flags)).toBe(0);
    expect(out.trimEnd().split("\n")).toHaveLength(1);
    expect(out).toContain(id);
  });
  test.each([
    [["--sender", "@example.com"]],
    [["--sender", "<>"]],
    [["--recipient", "ser@example.com"]],
    [["--subject", "blue"]],
    [["--larger", "1K"]],
    [["--smaller", "100"]],
    [["--before", "4d"]],
  ])("nothing for %j", async (flags) => {
    expect(await run("list", ...flags)).toBe(0);
    expect(out).toBe("");
  });
  test("--json: one object a line", async () => {
    await run("list", "--json");
    const ids = out
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(ids.sort()).toEqual(["aaaaaaaaaaaa", "bbbbbbbbbbbb"]);
  });
});

describe("show", () => {
  beforeEach(async () => keep("aaaaaaaaaaaa"));
  test("the message, escaped", async () => {
    expect(await run("show", "aaaaaaaaaaaa")).toBe(0);
    expect(out).toContain("Subject: hi \\u{1b}[31mred\n");
    expect(out).toContain("body \\u{7} line\n");
    expect(out).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
  });
  test("--headers stops before the body", async () => {
    await run("show", "--headers", "aaaaaaaaaaaa");
    expect(out).toContain("Subject:");
    expect(out).not.toContain("body");
  });
  test("--raw: the octets as they came", async () => {
    await run("show", "aaaaaaaaaaaa", "--raw");
    expect(out).toBe(MESSAGE);
  });
  test("--json: the record", async () => {
    await run("show", "aaaaaaaaaaaa", "--json");
    expect(JSON.parse(out)).toMatchObject({
      id: "aaaaaaaaaaaa",
      recipients: [{ address: "user@example.com" }, {}],
    });
  });
  test("a damaged file is told", async () => {
    await writeFile(join(root, "kept/a/spam-aaaaaaaaaaaa.gz"), "nonsense");
    expect(await run("show", "aaaaaaaaaaaa")).toBe(1);
    expect(err).toContain("aaaaaaaaaaaa: ");
  });
});

describe("release", () => {
  beforeEach(async () => keep("aaaaaaaaaaaa"));
  test("goes to the blocked recipients, stripped and resent", async () => {
    expect(await run("release", "aaaaaaaaaaaa")).toBe(0);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.recipients).toEqual([{ address: address("user@example.com"), params: [] }]);
    expect(sent[0]?.copy).toMatchObject({
      sender: address("aaaaaaaaaaaa@remote.test"),
      senderParams: ["BODY=8BITMIME"],
      tainted: false,
    });
    expect(sent[0]?.octets).toBe(
      [
        "Received: from unknown",
        " by mx.example.com (postern, unix socket)",
        " id aaaaaaaaaaaa for <user@example.com>;",
        " Sat, 21 Nov 2026 12:00:00 +0000 (UTC)",
        'Resent-From: "Content-filter at mx.example.com" <postmaster@mx.example.com>',
        'Resent-Sender: "Content-filter at mx.example.com"',
        " <postmaster@mx.example.com>",
        "Resent-To: <user@example.com>",
        "Resent-Date: Sat, 21 Nov 2026 12:00:00 +0000 (UTC)",
        "Resent-Message-ID: <QRLnewnewnewnew@mx.example.com>",
        ...MESSAGE.split("\r\n").filter((line) => !/^X-/.test(line)),
      ].join("\r\n"),
    );
    expect(logged).toEqual([
      "(rel-aaaaaaaaaaaa) Quarantined message release (spam): aaaaaaaaaaaa <aaaaaaaaaaaa@remote.test> -> <user@example.com>, by command line (root)",
    ]);
    expect((await store.read("aaaaaaaaaaaa"))?.entry.released).toEqual([
      {
        time: NOW.toISOString(),
        recipients: ["user@example.com"],
        by: "command line (root)",
      },
    ]);
    expect(out).toBe("<user@example.com>: 250 2.0.0 queued\n");
  });
  test("goes to those who are named, once each", async () => {
    expect(
      await run("release", "aaaaaaaaaaaa", "boss@example.com", "boss@example.com", "x@example.com"),
    ).toBe(0);
    expect(sent[0]?.recipients.map((r) => r.address.raw)).toEqual([
      "boss@example.com",
      "x@example.com",
    ]);
    expect(sent[0]?.octets).toContain("Resent-To: undisclosed-recipients:;\r\n");
  });
  test("a second one goes to those who did not get it, and to others only by name", async () => {
    expect(await run("release", "aaaaaaaaaaaa")).toBe(0);
    expect(await run("release", "aaaaaaaaaaaa")).toBe(1);
    expect(out).toContain("aaaaaaaaaaaa was released to all from whom it was kept: name whom");
    expect(sent).toHaveLength(1);
    expect(await run("release", "aaaaaaaaaaaa", "user@example.com")).toBe(0);
    expect(sent).toHaveLength(2);
  });
  test("a refusal is told, only what was taken is noted", async () => {
    answer = (to) => (to === "x@example.com" ? reject(550, "5.1.1", "no such user") : ok("queued"));
    expect(await run("release", "aaaaaaaaaaaa", "x@example.com", "y@example.com")).toBe(1);
    expect(out).toContain("<x@example.com>: 550 5.1.1 no such user\n");
    expect((await store.read("aaaaaaaaaaaa"))?.entry.released[0]?.recipients).toEqual([
      "y@example.com",
    ]);
  });
  test("goes the way that the message came for", async () => {
    await keep("dddddddddddd", { nextHop: "smtp:127.0.0.1:10027" });
    await run("release", "dddddddddddd");
    await run("release", "aaaaaaaaaaaa");
    expect(asked).toEqual(["smtp:127.0.0.1:10027", undefined]);
  });
  test("a virus goes out only if the postmaster says so twice", async () => {
    await keep("vvvvvvvvvvvv", { category: "virus" });
    expect(await run("release", "vvvvvvvvvvvv")).toBe(1);
    expect(err).toContain("vvvvvvvvvvvv holds a virus: release --virus vvvvvvvvvvvv");
    expect(sent).toEqual([]);
    expect(await run("release", "--virus", "vvvvvvvvvvvv")).toBe(0);
    expect(sent).toHaveLength(1);
  });
  test("a large message is not held in memory", async () => {
    const rest = randomBytes(3_000_000).toString("base64");
    await keep("eeeeeeeeeeee", { text: `Subject: big\r\nX-Spam-Flag: YES\r\n\r\n${rest}` });
    expect(await run("release", "eeeeeeeeeeee")).toBe(0);
    expect(sent[0]?.copy.body.bytes).toBeNull();
    expect(sent[0]?.octets.endsWith(`Subject: big\r\n\r\n${rest}`)).toBe(true);
    expect(sent[0]?.octets).toHaveLength(sent[0]?.copy.body.size ?? 0);
  });
  test("nothing damaged goes out", async () => {
    await writeFile(join(root, "kept/a/spam-aaaaaaaaaaaa.gz"), "nonsense");
    expect(await run("release", "aaaaaaaaaaaa")).toBe(1);
    expect(sent).toEqual([]);
  });
  test("without a blocked recipient somebody must be named", async () => {
    await keep("cccccccccccc", { blocked: false });
    expect(await run("release", "cccccccccccc")).toBe(1);
    expect(sent).toEqual([]);
    expect(await run("release", "cccccccccccc", "a\r\nb@c")).toBe(1);
    expect(sent).toEqual([]);
  });
});

test("digest and rotate-key", async () => {
  expect(await run("digest", "user@example.com")).toBe(0);
  expect(await run("rotate-key")).toBe(0);
  expect(out).toBe("user@example.com: sent\\u{1b}\nevery release link sent so far is void\n");
  expect(rotated).toBe(1);
  expect(logged).toEqual(["audit: the key of release links was changed by command line (root)"]);
});

test("delete", async () => {
  await keep("aaaaaaaaaaaa");
  expect(await run("delete", "aaaaaaaaaaaa", "bbbbbbbbbbbb")).toBe(1);
  expect(err).toContain("bbbbbbbbbbbb: no such entry");
  expect(await store.read("aaaaaaaaaaaa")).toBeNull();
});

test("expire keeps the bounds of the configuration", async () => {
  await keep("aaaaaaaaaaaa");
  expect(await run("expire")).toBe(0);
  expect(out).toMatch(/^0 removed, 1 kept, \d+ octets\n$/);
  [out, maxBytes] = ["", 0];
  expect(await run("expire")).toBe(0);
  expect(out).toBe("1 removed, 0 kept, 0 octets\n");
});

test.each([
  [["show", "../../etc/passwd"]],
  [["delete", "a/b"]],
  [["release", "\x1b[2Jaaaaaaaa"]],
  [["show"]],
  [["nonsense"]],
  [[]],
  [["list", "--category", "nonsense"]],
  [["list", "--since", "soon"]],
  [["list", "--raw"]],
  [["list", "--larger", "much"]],
  [["list", "--before", "then"]],
  [["list", "--virus"]],
  [["rotate-key", "x"]],
  [["list", "extra"]],
  [["show", "--nonsense", "aaaaaaaaaaaa"]],
])("usage: %j", async (args) => {
  expect(await run(...args)).toBe(2);
  expect(err).toContain("usage: postern quarantine");
  expect(err).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
});

test("terminal text", () => {
  expect(terminalText("a\u202eb\u009bc\n")).toBe("a\\u{202e}b\\u{9b}c\\u{a}");
  expect(terminalLines(Buffer.from("a\tb\r\n\x1bc\n"))).toBe("a\tb\n\\u{1b}c\n");
});
