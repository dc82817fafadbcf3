// Digests from a real store, read back with mailparser; a clock of our own; several processes at once.
import { simpleParser } from "mailparser";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sendDigests, type DigestMeans, type DigestRun } from "../../src/engine/digest.ts";
import { digestTicks, LEASE_MS, runOf } from "../../src/engine/digest-clock.ts";
import { readLink } from "../../src/engine/release-link.ts";
import type { Destination } from "../../src/mail/destination.ts";
import type { Recipient } from "../../src/mail/message.ts";
import { ok, reject, tempfail, type Reply } from "../../src/mail/reply.ts";
import { heldFor, keptRoom, takes, type KeptRoom } from "../fakes/kept.ts";

const KEY = Buffer.alloc(32, 7);
const NOON = new Date(2026, 10, 21, 12, 0);
const RUN: DigestRun = {
  since: new Date(2026, 10, 20, 12, 0),
  until: NOON,
  now: NOON,
  name: "2026-11-21",
};
const NEVER = new AbortController().signal;
const hoursAgo = (hours: number): Date => new Date(NOON.getTime() - hours * 3_600_000);

let room: KeptRoom;
let sent: { to: string; params: readonly string[]; sender: unknown; octets: Buffer }[];
let ready: (recipient: Recipient) => Reply;
let final: Reply;
let means: DigestMeans;
let results: string[];

const route: Destination = {
  prepare: async (copy, recipients) => {
    const octets: Buffer[] = [];
    for await (const piece of copy.body.open()) octets.push(piece);
    const replies = recipients.map(ready);
    return {
      replies,
      commit: async () =>
        recipients.map(({ address, params }, i) => {
          const reply = replies[i]?.kind === "ok" ? final : (replies[i] ?? final);
          if (reply.kind === "ok")
            sent.push({
              to: address.raw,
              params,
              sender: copy.sender,
              octets: Buffer.concat(octets),
            });
          return reply;
        }),
      abort: async () => {},
    };
  },
};

beforeEach(async () => {
  room = await keptRoom();
  [sent, results] = [[], []];
  ready = () => ok("ready");
  final = ok("queued");
  means = {
    hostname: "mx.example.com",
    postmaster: "postmaster@example.com",
    quarantine: room.store,
    store: "here",
    once: takes(),
    isLocal: (domain) => domain === "example.com",
    recipients: null,
    maxMessages: 100,
    url: "https://mail.example.com/held",
    linkMs: 7 * 86_400_000,
    categories: ["spam", "badh", "listed"],
    key: async () => KEY,
    routeTo: () => route,
    newMailId: () => "newnewnewnew",
    onResult: (result) => results.push(result),
    info: () => {},
    warn: () => {},
  };
});
afterEach(() => room.remove());

const mailTo = async (to: string) => {
  const mails = sent.filter((mail) => mail.to === to);
  expect(mails).toHaveLength(1);
  return simpleParser(mails[0]?.octets ?? "");
};

describe("what it says", () => {
  test("a mail to each recipient of ours names what was held for them, with links that hold", async () => {
    await room.keep({
      mailId: "aaaaaaaaaaaa",
      receivedAt: hoursAgo(2),
      subject: "=?utf-8?q?Gr=C3=BC=C3=9Fe?= see http://evil.test/ \u202ex",
      recipients: [heldFor("user@example.com"), heldFor("Boss@example.com", { score: 7.5 })],
    });
    expect(await sendDigests(RUN, means, NEVER)).toMatchObject({ complete: true });
    expect(sent.map(({ to }) => to).sort()).toEqual(["Boss@example.com", "user@example.com"]);
    expect(sent[0]).toMatchObject({ sender: null, params: ["NOTIFY=NEVER"] });
    const mail = await mailTo("user@example.com");
    expect(mail.subject).toBe("1 message to you was held");
    expect(mail.from?.text).toBe('"Content-filter at mx.example.com" <postmaster@mx.example.com>');
    expect(mail.headers.get("auto-submitted")).toBe("auto-generated");
    expect(mail.attachments).toEqual([]);
    expect(mail.html).toBe(false);
    const text = mail.text ?? "";
    expect(text).toContain("  sender:     <sender@remote.test>\n");
    expect(text).toContain('  subject:    "Grüße see http:/ /evil.test/ ?x"\n');
    expect(text).toContain("  held as:    spam, 12 points\n");
    expect(text).toContain("  reference:  aaaaaaaaaaaa\n");
    const [, token = ""] = /https:\/\/mail\.example\.com\/held\/release\/(\S+)\n/.exec(text) ?? [];
    expect(readLink(KEY, token)).toEqual({
      id: "aaaaaaaaaaaa",
      recipient: "user@example.com",
      expires: new Date(NOON.getTime() + 7 * 86_400_000),
    });
    expect(text.match(/https?:\/\//g)).toHaveLength(1);
  });

  test("not: other days, other domains, what went through, what was released, a virus", async () => {
    await room.keep({ mailId: "aaaaaaaaaaaa", receivedAt: hoursAgo(25) });
    await room.keep({ mailId: "bbbbbbbbbbbb", receivedAt: NOON });
    const at = { receivedAt: hoursAgo(1) };
    await room.keep({ mailId: "cccccccccccc", ...at, recipients: [heldFor("x@elsewhere.test")] });
    const passed = [heldFor("user@example.com", { blocked: false })];
    await room.keep({ mailId: "dddddddddddd", ...at, recipients: passed });
    await room.keep({ mailId: "eeeeeeeeeeee", ...at });
    await room.store.markReleased("eeeeeeeeeeee", { recipients: ["user@example.com"] }, NOON);
    await room.keep({ mailId: "vvvvvvvvvvvv", ...at, category: "virus" });
    await room.keep({
      mailId: "wwwwwwwwwwww",
      ...at,
      findings: [{ check: "virus", symbol: "V", category: "virus", score: 0, detail: "" }],
    });
    expect(await sendDigests(RUN, means, NEVER)).toEqual({ complete: true, lines: [] });
    expect(sent).toEqual([]);
  });

  test("a banned file is named without a link", async () => {
    await room.keep({ mailId: "aaaaaaaaaaaa", receivedAt: hoursAgo(1), category: "banned" });
    await sendDigests(RUN, means, NEVER);
    const text = (await mailTo("user@example.com")).text ?? "";
    expect(text).toContain("reference:  aaaaaaaaaaaa");
    expect(text).not.toContain("/release/");
    expect(text).toContain("ask <postmaster@example.com> and name its reference");
  });

  test("without a URL there are no links, and no key is asked for", async () => {
    await room.keep({ mailId: "aaaaaaaaaaaa", receivedAt: hoursAgo(1) });
    const key = () => Promise.reject(new Error("no key"));
    await sendDigests(RUN, { ...means, url: null, key }, NEVER);
    expect((await mailTo("user@example.com")).text).not.toContain("/release/");
  });

  test("the most harmless come first, and no more than are wanted", async () => {
    for (let i = 0; i < 25; i++) {
      const recipients = [heldFor("user@example.com", { score: 30 - i })];
      await room.keep({
        mailId: `aaaaaaaaa${String(i).padStart(3, "0")}`,
        receivedAt: hoursAgo(1),
        recipients,
      });
    }
    await sendDigests(RUN, { ...means, maxMessages: 10 }, NEVER);
    const mail = await mailTo("user@example.com");
    expect(mail.subject).toBe("25 messages to you were held");
    expect([...(mail.text ?? "").matchAll(/, (\d+) points/g)].map(([, n]) => Number(n))).toEqual([
      6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    ]);
    expect(mail.text).toContain("15 more are not named here.");
  });

  test("only those who are wanted", async () => {
    const recipients = ["a@example.com", "b@example.com", "c@sub.example.com"].map((raw) =>
      heldFor(raw),
    );
    await room.keep({ mailId: "aaaaaaaaaaaa", receivedAt: hoursAgo(1), recipients });
    const all = { ...means, isLocal: () => true };
    await sendDigests(RUN, { ...all, recipients: ["A@example.com"] }, NEVER);
    expect(sent.map(({ to }) => to)).toEqual(["a@example.com"]);
    await sendDigests({ ...RUN, name: "x" }, { ...all, recipients: ["@sub.example.com"] }, NEVER);
    expect(sent.map(({ to }) => to)).toEqual(["a@example.com", "c@sub.example.com"]);
    await sendDigests({ ...RUN, name: null, only: ["B@example.com"] }, all, NEVER);
    expect(sent.map(({ to }) => to).at(-1)).toBe("b@example.com");
  });
});

describe("once", () => {
  beforeEach(async () => {
    const recipients = Array.from({ length: 20 }, (_, i) => heldFor(`user${i}@example.com`));
    await room.keep({ mailId: "aaaaaaaaaaaa", receivedAt: hoursAgo(1), recipients });
  });

  test("however many run at the same time", async () => {
    await Promise.all([1, 2, 3].map(() => sendDigests(RUN, means, NEVER)));
    expect(new Set(sent.map(({ to }) => to)).size).toBe(20);
    expect(sent).toHaveLength(20);
    await sendDigests({ ...RUN, name: "2026-11-22" }, means, NEVER);
    expect(sent).toHaveLength(40);
  });

  test("what was not taken is sent by the next run, and only that", async () => {
    ready = ({ address }) =>
      address.local === "user7" ? tempfail(451, "4.3.0", "later") : ok("ready");
    expect(await sendDigests(RUN, means, NEVER)).toMatchObject({ complete: false });
    expect(sent).toHaveLength(19);
    ready = () => ok("ready");
    expect(await sendDigests(RUN, means, NEVER)).toMatchObject({ complete: true });
    expect(sent).toHaveLength(20);
    expect(results.filter((result) => result === "failed")).toHaveLength(1);
  });

  test("what was refused for good, or may have been taken, is not sent again", async () => {
    final = tempfail(451, "4.4.2", "no answer");
    await sendDigests(RUN, means, NEVER);
    final = reject(550, "5.1.1", "unknown");
    await sendDigests({ ...RUN, name: "x" }, means, NEVER);
    final = ok("queued");
    await sendDigests(RUN, means, NEVER);
    await sendDigests({ ...RUN, name: "x" }, means, NEVER);
    expect(sent).toEqual([]);
  });

  test("ends between two mails when it is told to; the rest comes later", async () => {
    const stop = new AbortController();
    const stopping: DigestMeans = {
      ...means,
      onResult: () => {
        if (sent.length === 5) stop.abort();
      },
    };
    expect(await sendDigests(RUN, stopping, stop.signal)).toMatchObject({ complete: false });
    expect(sent).toHaveLength(5);
    await sendDigests(RUN, means, NEVER);
    expect(new Set(sent.map(({ to }) => to)).size).toBe(20);
    expect(sent).toHaveLength(20);
  });
});

describe("the clock", () => {
  const at = (day: number, hour: number, minute = 0): Date => new Date(2026, 10, day, hour, minute);
  let runs: string[];
  let complete: boolean;
  const clock = (once = takes()) =>
    digestTicks({
      at: "07:00",
      once,
      store: "here",
      run: async ({ name, since, until }) => {
        runs.push(`${name} ${(until.getTime() - since.getTime()) / 3_600_000}`);
        return complete;
      },
    });
  beforeEach(() => {
    runs = [];
    complete = true;
  });

  test("strikes once a day, and after a pause on the same day", async () => {
    const tick = clock();
    for (const now of [at(21, 6, 59), at(21, 7), at(21, 7, 1), at(21, 23), at(22, 6), at(22, 15)])
      await tick(now);
    expect(runs).toEqual(["2026-11-21 24", "2026-11-22 24"]);
  });
  test("one of several processes at a time; another one goes on with what is left", async () => {
    const once = takes();
    const [one, two] = [clock(once), clock(once)];
    complete = false;
    await Promise.all([one(at(21, 7)), two(at(21, 7))]);
    await one(at(21, 7, 1));
    expect(runs).toHaveLength(1);
    complete = true;
    const later = new Date(at(21, 7).getTime() + LEASE_MS);
    await Promise.all([one(later), two(later)]);
    expect(runs).toHaveLength(2);
  });
  test("days meet without a gap, whatever the clocks do in between", () => {
    for (let day = 1; day < 400; day++) {
      const noon = (n: number): Date => new Date(2026, 0, n, 12);
      expect(runOf("07:00", noon(day + 1)).since).toEqual(runOf("07:00", noon(day)).until);
    }
  });
});
