// The signature of release links, and what a link may do.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linkedRelease, type LinkedMeans } from "../../src/engine/linked-release.ts";
import { readLink, signLink } from "../../src/engine/release-link.ts";
import type { Copy, Destination } from "../../src/mail/destination.ts";
import { ok, reject, tempfail, type Reply } from "../../src/mail/reply.ts";
import type { FateName } from "../../src/verdict/policy.ts";
import { heldFor, keptRoom, takes, type KeptRoom } from "../fakes/kept.ts";

const KEY = Buffer.alloc(32, 7);
const NOW = new Date("2026-11-21T12:00:00Z");
const LATER = new Date("2026-11-28T12:00:00Z");
const FACTS = { id: "aaaaaaaaaaaa", recipient: "user@example.com", expires: LATER };

function signed(over: Partial<typeof FACTS> = {}): string {
  const token = signLink(KEY, { ...FACTS, ...over });
  if (token === null) throw new Error("not signed");
  return token;
}

describe("the signature", () => {
  test("what was signed is read, for any recipient", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 120 }), (recipient) => {
        const token = signLink(KEY, { ...FACTS, recipient });
        fc.pre(token !== null);
        expect(token).toMatch(/^[A-Za-z0-9._-]+$/);
        expect(readLink(KEY, token)).toEqual({ ...FACTS, recipient });
      }),
    );
  });
  test("no other octet anywhere will do", () => {
    const token = signed();
    // The last character of the signature has two bits that say nothing.
    for (let at = 0; at < token.length - 1; at++) {
      const other = token[at] === "b" ? "c" : "b";
      expect(readLink(KEY, token.slice(0, at) + other + token.slice(at + 1))).toBeNull();
    }
  });
  test("parts of two links make no third", () => {
    const one = signed().split(".");
    const two = signed({ recipient: "boss@example.com", expires: NOW }).split(".");
    for (const mix of [0, 1, 2, 3]) {
      const token = one.map((part, at) => (at === mix ? two[at] : part)).join(".");
      if (mix !== 0) expect(readLink(KEY, token)).toBeNull();
    }
  });
  test("another key, and anything at all, is refused", () => {
    expect(readLink(randomBytes(32), signed())).toBeNull();
    fc.assert(fc.property(fc.string(), (text) => readLink(KEY, text) === null));
  });
  test("a recipient that is too long gets no link", () => {
    expect(signLink(KEY, { ...FACTS, recipient: "a".repeat(501) })).toBeNull();
    expect(signLink(KEY, { ...FACTS, recipient: "\ud800@x" })).toBeNull();
    expect(readLink(KEY, signed({ recipient: "a".repeat(500) }))?.recipient).toHaveLength(500);
  });
});

describe("a link", () => {
  let room: KeptRoom;
  let sent: { copy: Copy; to: string[] }[];
  let logged: string[];
  let warned: string[];
  let prepareReply: Reply;
  let commitReply: Reply;
  let means: LinkedMeans;
  const destination: Destination = {
    prepare: async (copy, recipients) => {
      const to = recipients.map(({ address }) => address.raw);
      return {
        replies: recipients.map(() => prepareReply),
        commit: async () => {
          if (prepareReply.kind !== "ok") return recipients.map(() => prepareReply);
          await new Promise((resolve) => setTimeout(resolve, 5));
          if (commitReply.kind === "ok") sent.push({ copy, to });
          return recipients.map(() => commitReply);
        },
        abort: async () => {},
      };
    },
  };

  beforeEach(async () => {
    room = await keptRoom();
    [sent, logged, warned] = [[], [], []];
    prepareReply = commitReply = ok("queued");
    means = {
      quarantine: room.store,
      key: async () => KEY,
      once: takes(),
      destination: () => destination,
      categories: ["spam", "badh", "listed"],
      hostname: "mx.example.com",
      now: () => NOW,
      newMailId: () => "newnewnewnew",
      log: (line) => logged.push(line),
      warn: (text) => warned.push(text),
      deadlineMs: 5_000,
    };
    await room.keep({ mailId: "aaaaaaaaaaaa" });
  });
  afterEach(() => room.remove());

  test("looking releases nothing, however often", async () => {
    const links = linkedRelease(means);
    for (let i = 0; i < 3; i++)
      expect(await links.look(signed())).toMatchObject({
        kind: "ask",
        shown: { sender: "sender@remote.test", recipient: "user@example.com", subject: "held" },
      });
    expect(sent).toEqual([]);
    expect((await room.store.read("aaaaaaaaaaaa"))?.entry.released).toEqual([]);
  });
  test("releases once, to its recipient alone, and leaves word of it", async () => {
    const links = linkedRelease(means);
    expect(await links.release(signed(), "192.0.2.1")).toMatchObject({ kind: "released" });
    expect(await links.release(signed(), "192.0.2.1")).toMatchObject({ kind: "already" });
    expect(await links.look(signed())).toMatchObject({ kind: "already" });
    expect(sent.map(({ to }) => to)).toEqual([["user@example.com"]]);
    expect((await room.store.read("aaaaaaaaaaaa"))?.entry.released).toEqual([
      { time: NOW.toISOString(), recipients: ["user@example.com"], by: "link from [192.0.2.1]" },
    ]);
    expect(logged).toEqual([
      "(rel-aaaaaaaaaaaa) Quarantined message release (spam): aaaaaaaaaaaa <sender@remote.test> -> <user@example.com>, by link from [192.0.2.1]",
    ]);
  });
  test("ten at once, in two processes, release once", async () => {
    const [one, two] = [linkedRelease(means), linkedRelease(means)];
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? one : two).release(signed(), "x")),
    );
    expect(sent).toHaveLength(1);
    expect(answers.filter((answer) => answer.kind === "released")).toHaveLength(1);
  });
  test.each(["virus", "banned", "unchecked"] as const)("%s is not released", async (category) => {
    await room.keep({ mailId: "bbbbbbbbbbbb", category });
    const links = linkedRelease(means);
    const token = signed({ id: "bbbbbbbbbbbb" });
    expect(await links.look(token)).toEqual({ kind: "forbidden", id: "bbbbbbbbbbbb" });
    expect(await links.release(token, "x")).toEqual({ kind: "forbidden", id: "bbbbbbbbbbbb" });
    expect(sent).toEqual([]);
  });
  test.each(["virus", "banned"] as const)(
    "spam with a %s in it is not released, whatever the settings",
    async (category) => {
      const finding = { check: "x", symbol: "X", category, score: 0, detail: "" } as const;
      await room.keep({ mailId: "bbbbbbbbbbbb", findings: [finding] });
      await room.keep({
        mailId: "cccccccccccc",
        recipients: [
          heldFor("user@example.com"),
          heldFor("o@example.com", { category: category satisfies FateName }),
        ],
      });
      const links = linkedRelease({ ...means, categories: ["spam", "virus", "banned"] });
      for (const id of ["bbbbbbbbbbbb", "cccccccccccc"])
        expect(await links.release(signed({ id }), "x")).toEqual({ kind: "forbidden", id });
      expect(sent).toEqual([]);
    },
  );
  test("not to somebody whom the message was not for", async () => {
    const token = signed({ recipient: "thief@elsewhere.test" });
    expect(await linkedRelease(means).release(token, "x")).toMatchObject({ kind: "forbidden" });
    expect(sent).toEqual([]);
  });
  test("expired, deleted, forged", async () => {
    const links = linkedRelease(means);
    expect(await links.release(signed({ expires: NOW }), "x")).toEqual({ kind: "expired" });
    expect(await links.release(signed({ id: "zzzzzzzzzzzz" }), "x")).toEqual({ kind: "gone" });
    expect(await links.release(`${signed()}x`, "x")).toEqual({ kind: "invalid" });
    expect(sent).toEqual([]);
  });
  test("what certainly was not sent can be tried again", async () => {
    const links = linkedRelease(means);
    prepareReply = tempfail(451, "4.3.0", "down");
    expect(await links.release(signed(), "x")).toEqual({ kind: "later" });
    expect(logged[0]).toMatch(/^\(rel-aaaaaaaaaaaa\) release failed \(spam\): .*, by link from/);
    prepareReply = reject(550, "5.1.1", "unknown");
    expect(await links.release(signed(), "x")).toEqual({ kind: "later" });
    prepareReply = ok("queued");
    expect(await links.release(signed(), "x")).toMatchObject({ kind: "released" });
    expect(sent).toHaveLength(1);
  });
  test("what may have been sent is not sent again", async () => {
    const links = linkedRelease(means);
    commitReply = tempfail(451, "4.4.2", "no answer after the final dot");
    expect(await links.release(signed(), "x")).toEqual({ kind: "unsure", id: "aaaaaaaaaaaa" });
    commitReply = ok("queued");
    expect(await links.release(signed(), "x")).toEqual({ kind: "unsure", id: "aaaaaaaaaaaa" });
    expect(sent).toEqual([]);
  });
  test("nothing goes out while nobody can remember it", async () => {
    const once = { take: () => Promise.reject(new Error("store: down")) };
    const links = linkedRelease({ ...means, once });
    expect(await links.release(signed(), "x")).toEqual({ kind: "later" });
    expect(warned).toEqual(["release link: store: down"]);
    expect(sent).toEqual([]);
  });
  test("nowhere to go", async () => {
    const links = linkedRelease({ ...means, destination: () => null });
    expect(await links.release(signed(), "x")).toEqual({ kind: "later" });
    expect(await linkedRelease(means).release(signed(), "x")).toMatchObject({ kind: "released" });
  });
});
