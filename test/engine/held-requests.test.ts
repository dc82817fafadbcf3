// What a node does when another asks, with a real store and notes on disk, and crashes at every step in between.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readAnswer, readOrder, type HeldOrder } from "../../src/engine/held-order.ts";
import { carryOut, type HeldMeans } from "../../src/engine/held-requests.ts";
import { indexText, readIndexText } from "../../src/engine/index-text.ts";
import type { Destination } from "../../src/mail/destination.ts";
import { ok, tempfail, type Reply } from "../../src/mail/reply.ts";
import { requestNotes, type RequestNotes } from "../../src/mailstore/request-notes.ts";
import { MAX_INDEX_TEXT } from "../../src/state/shared-nodes.ts";
import { heldFor, keptRoom, type KeptRoom } from "../fakes/kept.ts";

const SPAM = "AAAAAAAAAAA1";
const VIRUS = "AAAAAAAAAAA2";

let room: KeptRoom;
let notes: RequestNotes;
let logged: string[];
/** Recipients of each copy that somebody has. */
let copies: string[];
let reply: Reply;
let dies: "before the dot" | "after the dot" | "after the entry" | null;

class Death extends Error {}

const destination: Destination = {
  prepare: async (_copy, recipients) => {
    const replies = recipients.map(() => reply);
    if (dies === "before the dot") throw new Death();
    return {
      replies,
      commit: async () => {
        if (reply.kind === "ok") copies.push(...recipients.map(({ address }) => address.raw));
        if (dies === "after the dot") throw new Death();
        return replies;
      },
      abort: async () => {},
    };
  },
};

function means(): HeldMeans {
  return {
    quarantine: room.store,
    notes: {
      ...notes,
      finish: async (request, answer) => {
        if (dies === "after the entry") throw new Death();
        await notes.finish(request, answer);
      },
    },
    destination: () => destination,
    hostname: "mx1.example",
    now: () => new Date(),
    newMailId: () => "BBBBBBBBBBBB",
    log: (line) => logged.push(line),
    deadlineMs: 10_000,
  };
}

const order = (over: Partial<HeldOrder> = {}): HeldOrder => ({
  request: randomUUID(),
  do: "release",
  id: SPAM,
  by: "command line (root) on mx2",
  recipients: [],
  virus: false,
  ...over,
});

beforeEach(async () => {
  room = await keptRoom();
  notes = requestNotes(join(room.dir, "requests"));
  [logged, copies, reply, dies] = [[], [], ok("taken"), null];
  await room.keep({ mailId: SPAM });
  await room.keep({ mailId: VIRUS, category: "virus", text: "Subject: bad\r\n\r\nbad\r\n" });
});
afterEach(() => room.remove());

describe("release", () => {
  test("goes out once, however often it is asked for, and the answer stays the same", async () => {
    const asked = order();
    const first = await carryOut(asked, means());
    expect(first).toEqual({ done: true, lines: ["<user@example.com>: 250 2.0.0 taken"] });
    expect(await carryOut(asked, means())).toEqual(first);
    expect(copies).toEqual(["user@example.com"]);
    const kept = await room.store.read(SPAM);
    expect(kept?.entry.released).toHaveLength(1);
    expect(kept?.entry.released[0]?.by).toMatch(
      /^command line \(root\) on mx2, request [0-9a-f-]+$/,
    );
    expect(logged[0]).toContain("Quarantined message release (spam)");
  });

  test("a process that dies before the last step: another one releases it", async () => {
    const asked = order();
    dies = "before the dot";
    await expect(carryOut(asked, means())).rejects.toThrow(Death);
    dies = null;
    expect(await carryOut(asked, means())).toMatchObject({ done: true });
    expect(copies).toEqual(["user@example.com"]);
  });

  test("one that dies after the entry was written: it was released, and is not again", async () => {
    const asked = order();
    dies = "after the entry";
    await expect(carryOut(asked, means())).rejects.toThrow(Death);
    dies = null;
    expect(await carryOut(asked, means())).toEqual({
      done: true,
      lines: ["user@example.com: released"],
    });
    expect(copies).toEqual(["user@example.com"]);
  });

  test("one that dies in the last step: nobody gets two, and who asked is told", async () => {
    const asked = order();
    dies = "after the dot";
    await expect(carryOut(asked, means())).rejects.toThrow(Death);
    dies = null;
    const answer = await carryOut(asked, means());
    expect(answer).toMatchObject({
      done: false,
      lines: [expect.stringContaining("may have been released")],
    });
    expect(await carryOut(asked, means())).toEqual(answer);
    expect(copies).toEqual(["user@example.com"]);
    expect(logged.join()).toContain("interrupted, not repeated");
  });

  test("two processes at once: one of them releases", async () => {
    const asked = order();
    const both = await Promise.allSettled([carryOut(asked, means()), carryOut(asked, means())]);
    expect(both.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(0);
    expect(copies).toEqual(["user@example.com"]);
  });

  test("a virus needs the word", async () => {
    expect(await carryOut(order({ id: VIRUS }), means())).toMatchObject({ done: false });
    expect(copies).toEqual([]);
    const meant = order({ id: VIRUS, virus: true });
    expect(await carryOut(meant, means())).toMatchObject({ done: true });
    expect(copies).toEqual(["user@example.com"]);
  });

  test("a next hop that refuses is what the answer says", async () => {
    reply = tempfail(451, "4.3.0", "later");
    expect(await carryOut(order(), means())).toEqual({
      done: false,
      lines: ["<user@example.com>: 451 4.3.0 later"],
    });
  });
});

test("delete and show", async () => {
  const shown = await carryOut(order({ do: "show" }), means());
  expect(Buffer.from(shown.message ?? "", "base64").toString()).toBe(
    "Subject: held\r\n\r\nbody\r\n",
  );
  const gone = order({ do: "delete" });
  expect(await carryOut(gone, means())).toEqual({ done: true, lines: [] });
  expect(await carryOut(gone, means())).toEqual({ done: true, lines: [] });
  expect(await room.store.read(SPAM)).toBeNull();
  expect(await carryOut(order(), means())).toMatchObject({ done: false });
  expect(logged).toEqual([`audit: ${SPAM} deleted by command line (root) on mx2`]);
});

test("notes are swept when they are old", async () => {
  const asked = order();
  await carryOut(asked, means());
  await notes.sweep(1000, new Date());
  expect(await notes.read(asked.request)).not.toBeNull();
  await notes.sweep(1000, new Date(Date.now() + 5000));
  expect(await notes.read(asked.request)).toBeNull();
});

describe("texts from Redis", () => {
  test("an order is read back, anything else is none", () => {
    const asked = order();
    expect(readOrder(JSON.stringify(asked))).toEqual(asked);
    for (const over of [
      { request: "../../etc/passwd" },
      { id: "../x" },
      { do: "rm" },
      { recipients: "all" },
      { recipients: [1] },
      { by: null },
    ])
      expect(readOrder(JSON.stringify({ ...asked, ...over }))).toBeNull();
    expect(readAnswer('{"done":true,"lines":["x"]}')).toEqual({ done: true, lines: ["x"] });
    expect(readAnswer('{"done":1,"lines":[]}')).toBeNull();
  });

  test("whatever comes, nothing throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        readOrder(text);
        readAnswer(text);
        expect(readIndexText(SPAM, text)).toBeNull();
      }),
    );
  });

  test("an entry of any size fits, and is read back under its own id only", async () => {
    await room.keep({
      mailId: "AAAAAAAAAAA3",
      text: "Subject: much\r\n\r\nmuch\r\n",
      subject: "\u{1f4a5}".repeat(500),
      recipients: Array.from({ length: 1500 }, (_, n) =>
        heldFor(`${"x".repeat(60)}${n}@example.com`),
      ),
    });
    const entry = (await room.store.read("AAAAAAAAAAA3"))?.entry;
    if (entry === undefined) throw new Error("not kept");
    const text = indexText(entry) ?? "";
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_INDEX_TEXT);
    expect(readIndexText("AAAAAAAAAAA3", text)).toMatchObject({ keptAs: "spam", size: entry.size });
    expect(readIndexText(SPAM, text)).toBeNull();
  });
});
