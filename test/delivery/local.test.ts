// The delivery agent: lines in front, folders, loops, lists, remote targets, replies at RCPT.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { LocalOptions } from "../../src/delivery/local.ts";
import type { Copy, Destination } from "../../src/mail/destination.ts";
import type { Recipient } from "../../src/mail/message.ts";
import { ok, reject, replyLine, tempfail } from "../../src/mail/reply.ts";
import type { Reply } from "../../src/mail/reply.ts";
import { copyOf, octets, rcpt } from "../fakes/copy.ts";
import { rig } from "./rig.ts";
import type { Rig, RoutesText } from "./rig.ts";

const NEVER = new AbortController().signal;
const USERS =
  "alice@example.test:x\nbob@example.test:x\nsmall@example.test:x::::::userdb_quota_rule=*:bytes=10\n";
const ALICE = "example.test/alice/Maildir";

let open: Rig | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

async function started(text: RoutesText = {}, options: Partial<LocalOptions> = {}): Promise<Rig> {
  open = await rig({ users: USERS, ...text }, options);
  return open;
}

const shortly = (replies: readonly Reply[]): string[] =>
  replies.map((reply) => replyLine(reply).slice(0, 9));

async function deliver(
  r: Rig,
  to: readonly (string | Recipient)[],
  change: Partial<Copy> = {},
): Promise<string[]> {
  const recipients = to.map((one) => (typeof one === "string" ? rcpt(one) : one));
  const prepared = await r.destination.prepare(copyOf(change), recipients, NEVER);
  return shortly(await prepared.commit());
}

/** A next hop that answers by local part ("no…" 550, "later…" 451) and remembers what was sent. */
function nextHop(): Destination & {
  sent: { to: string[]; from: string; text: string; params: string[] }[];
  aborted: number;
} {
  const sent: { to: string[]; from: string; text: string; params: string[] }[] = [];
  const self = {
    sent,
    aborted: 0,
    prepare: async (copy: Copy, recipients: readonly Recipient[]) => {
      const replies = recipients.map(({ address: { local } }) =>
        local.startsWith("no")
          ? reject(550, "5.1.1", "no")
          : local.startsWith("later")
            ? tempfail(451, "4.4.1", "later")
            : ok("fine"),
      );
      const text = Buffer.concat(copy.body.bytes ?? []).toString();
      const commit = async (): Promise<readonly Reply[]> => {
        const to = recipients
          .filter((_, i) => replies[i]?.kind === "ok")
          .map(({ address }) => address.raw);
        sent.push({
          to,
          from: copy.sender?.raw ?? "",
          text,
          params: recipients.flatMap(({ params }) => params),
        });
        return replies;
      };
      return { replies, commit, abort: async () => void self.aborted++ };
    },
  };
  return self;
}

describe("the file", () => {
  test("our lines in front, Return-Path replaced, the rest as it came", async () => {
    const r = await started();
    const body = octets("Return-Path: <forged@x>\r\nSubject: s\r\n\r\nbody\r\n");
    expect(await deliver(r, ["Alice+x@example.test"], { body })).toEqual(["250 2.0.0"]);
    expect(await r.messages(ALICE)).toEqual([
      "Return-Path: <from@example.org>\nDelivered-To: alice+x@example.test\nX-Original-To: Alice+x@example.test\nSubject: s\n\nbody\n",
    ]);
  });

  test("null sender; hostile addresses cannot start a line; white space first cannot fold ours", async () => {
    const r = await started({ unknown: "create" });
    const hostile = {
      address: { raw: "a\r\nX-Evil: 1@example.test", local: "alice", domain: "example.test" },
      params: [],
    };
    await deliver(r, [hostile], { sender: null, body: octets(" fold\r\n\r\nx\r\n") });
    const [text] = await r.messages(ALICE);
    expect(text).toBe(
      "Return-Path: <>\nDelivered-To: alice@example.test\nX-Original-To: a??X-Evil: 1@example.test\nX-Postern-Guard: the header begins with a line that is no field\n fold\n\nx\n",
    );
  });

  test("delivered here before: 554 5.4.6, for that recipient only", async () => {
    const r = await started();
    const body = octets(
      "Delivered-To: ALICE@example.test\r\n\r\nDelivered-To: bob@example.test\r\n",
    );
    expect(await deliver(r, ["alice@example.test", "bob@example.test"], { body })).toEqual([
      "554 5.4.6",
      "250 2.0.0",
    ]);
    expect(await r.messages(ALICE)).toEqual([]);
  });

  test("one copy per mailbox, however many recipients lead there", async () => {
    const r = await started({ aliases: "team: alice, bob\nall: team, alice" });
    expect(
      await deliver(r, [
        "alice@example.test",
        "team@example.test",
        "all@example.test",
        "alice@example.test",
      ]),
    ).toEqual(Array(4).fill("250 2.0.0"));
    expect((await r.messages(ALICE)).length).toBe(1);
    expect((await r.messages("example.test/bob/Maildir")).length).toBe(1);
  });

  test("an owner-alias is the sender", async () => {
    const r = await started({ aliases: "list: alice\nowner-list: bob" });
    await deliver(r, ["list@example.test"]);
    expect((await r.messages(ALICE))[0]).toMatch(/^Return-Path: <owner-list@example.test>\n/);
  });
});

describe("folders", () => {
  const made = async (r: Rig): Promise<string[]> => [
    ...new Set((await r.files()).filter((f) => f.includes("/new/")).map((f) => path.dirname(f))),
  ];

  test("an existing one in any case, else the inbox", async () => {
    const r = await started();
    await r.store.createFolder(ALICE, ".Lists.News");
    await deliver(r, ["alice+lists.news@example.test"]);
    await deliver(r, ["alice+LISTS/NEWS@example.test"]);
    expect(await made(r)).toEqual([`${ALICE}/.Lists.News/new`]);
    await deliver(r, ["alice+other@example.test"]);
    expect(await made(r)).toEqual([`${ALICE}/.Lists.News/new`, `${ALICE}/new`]);
  });

  test.each([
    ["never", "lists", ""],
    ["listed", "lists", "/.lists"],
    ["listed", "other", ""],
    ["always", "other", "/.other"],
    ["always", "../../../x", ""],
    ["always", "a\u0301", "/.&AOE-"],
    ["always", "x".repeat(300), ""],
    ["always", "..", ""],
    ["always", "inbox", ""],
  ] as const)("create %s: +%s", async (create, extension, where) => {
    const r = await started({}, { folders: { create, listed: ["lists"], separator: "/" } });
    expect(await deliver(r, [`alice+${extension}@example.test`])).toEqual(["250 2.0.0"]);
    expect(await made(r)).toEqual([`${ALICE}${where}/new`]);
  });

  test("the verdict's folder is made and subscribed, and goes before the address'", async () => {
    const r = await started();
    await r.store.createFolder(ALICE, ".lists");
    await deliver(r, ["alice+lists@example.test"], { folder: "Junk" });
    expect(await made(r)).toEqual([`${ALICE}/.Junk/new`]);
    expect(await readFile(path.join(r.mailRoot, ALICE, "subscriptions"), "utf8")).toContain(
      "\nJunk\n",
    );
  });
});

describe("several targets", () => {
  test("remote targets go in one transaction per sender, parameters kept, marked against circles", async () => {
    const outgoing = nextHop();
    const r = await started(
      { aliases: "x: alice, u@far.test, v@far.test\nlist: w@far.test\nowner-list: bob" },
      { outgoing },
    );
    expect(
      await deliver(r, [
        rcpt("x@example.test", "NOTIFY=NEVER"),
        rcpt("list@example.test", "NOTIFY=NEVER"),
      ]),
    ).toEqual(["250 2.0.0", "250 2.0.0"]);
    expect(outgoing.sent.map(({ to, from, params }) => ({ to, from, params }))).toEqual([
      {
        to: ["u@far.test", "v@far.test"],
        from: "from@example.org",
        params: ["NOTIFY=NEVER", "NOTIFY=NEVER"],
      },
      { to: ["w@far.test"], from: "owner-list@example.test", params: [] },
    ]);
    const text = outgoing.sent[0]?.text ?? "";
    expect(text).toMatch(/^X-Postern-Via: [\w-]{16}\r\nSubject: hello\r\n/);
    expect(await deliver(r, ["x@example.test"], { body: octets(text) })).toEqual(["554 5.4.6"]);
    expect(await deliver(r, ["alice@example.test"], { body: octets(text) })).toEqual(["250 2.0.0"]);
  });

  test("a remote tempfail holds that recipient back whole, and nobody else", async () => {
    const outgoing = nextHop();
    const aliases = "x: alice, u@far.test, later@far.test\ny: bob, v@far.test";
    const r = await started({ aliases }, { outgoing });
    expect(await deliver(r, ["x@example.test", "y@example.test"])).toEqual([
      "451 4.4.1",
      "250 2.0.0",
    ]);
    expect(outgoing.sent.map(({ to }) => to)).toEqual([["v@far.test"]]);
    expect(await r.messages(ALICE)).toEqual([]);
    expect(await r.messages("example.test/bob/Maildir")).toHaveLength(1);
    expect((await r.files()).filter((file) => file.includes("/tmp/"))).toEqual([]);
  });

  test("one full mailbox does not stop a list, but the sender hears of it", async () => {
    const r = await started({ aliases: "x: alice, small" });
    expect(await deliver(r, ["x@example.test", "bob@example.test"])).toEqual([
      "552 5.2.2",
      "250 2.0.0",
    ]);
    expect(await r.messages(ALICE)).toHaveLength(1);
  });

  test("what was judged spam or virus stays here", async () => {
    const outgoing = nextHop();
    const r = await started({ aliases: "x: alice, u@far.test\ny: v@far.test" }, { outgoing });
    expect(await deliver(r, ["x@example.test", "y@example.test"], { tainted: true })).toEqual([
      "250 2.0.0",
      "550 5.7.1",
    ]);
    expect(outgoing.sent).toEqual([]);
    expect(r.reports.join()).toMatch(/1 remote targets left out/);
  });

  test("abort aborts the next hop too", async () => {
    const outgoing = nextHop();
    const r = await started({ aliases: "x: alice, u@far.test" }, { outgoing });
    const prepared = await r.destination.prepare(copyOf(), [rcpt("x@example.test")], NEVER);
    await prepared.abort();
    expect([outgoing.aborted, outgoing.sent.length]).toEqual([1, 0]);
    expect((await r.files()).filter((file) => file.includes("/tmp/"))).toEqual([]);
  });

  test("tables that cannot be read are a tempfail, reported", async () => {
    const r = await started({}, { routes: async () => Promise.reject(new Error("EIO")) });
    expect(await deliver(r, ["alice@example.test"])).toEqual(["451 4.3.0"]);
    expect(shortly([await r.destination.rcpt(rcpt("alice@example.test"))])).toEqual(["451 4.3.0"]);
    expect(r.reports).toHaveLength(2);
  });
});

test.each([
  ["alice@example.test", "250 2.1.5"],
  ["alice+any@example.test", "250 2.1.5"],
  ["ghost@example.test", "550 5.1.1"],
  ["x@far.test", "550 5.7.1"],
  ["remote@example.test", "451 4.3.5"],
  ["small@example.test", "250 2.1.5"],
  ["tiny@example.test", "552 5.2.2"],
])("RCPT %s is answered %s", async (address, expected) => {
  const users = `${USERS}tiny@example.test:x::::::userdb_quota_rule=*:messages=1\n`;
  const r = await started({ users, aliases: "remote: y@far.test" });
  await deliver(r, ["tiny@example.test"]);
  expect(shortly([await r.destination.rcpt(rcpt(address))])).toEqual([expected]);
});
