// The spamd client against a fake that behaves, and one that does not: every failure has its name, none takes longer than the
// deadline, and a spamd that gives no answer is left alone until it answers a PING.
import { createServer, type AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseEndpoint } from "../../src/clients/endpoint.ts";
import type { SpamdOptions } from "../../src/clients/spamd.ts";
import type { Body } from "../../src/mail/message.ts";
import { client, letter, spamdContract } from "../contract/spamd.ts";
import {
  CLOSE,
  fakeSpamd,
  framed,
  reportOf,
  type FakeSpamd,
  type SpamdAnswer,
} from "../fakes/spamd.ts";

const SIGNAL = new AbortController().signal;
const running: FakeSpamd[] = [];
const start = async (where?: "unix" | "tcp"): Promise<FakeSpamd> => {
  const one = await fakeSpamd(where);
  running.push(one);
  return one;
};
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

describe.each(["unix", "tcp"] as const)("over %s", (where) => {
  let one: FakeSpamd;
  beforeEach(async () => {
    one = await start(where);
  });
  spamdContract("a spamd", () => one.name);
});

describe("what goes over the wire", () => {
  it("is the message with its exact length, and a user only when there is one", async () => {
    const one = await start();
    const body = letter("hello");
    await client([one.name]).score(body, null, SIGNAL);
    await client([one.name]).score(body, "bob@example.com", SIGNAL);
    await client([one.name]).score(body, "a\r\nContent-length: 1", SIGNAL);
    const [plain, named, forged] = one.requests;
    expect(plain?.message).toBe(body.bytes?.[0]?.toString("latin1"));
    expect([...(plain?.headers.keys() ?? [])]).toEqual(["Content-length"]);
    expect(named?.headers.get("User")).toBe("bob@example.com");
    expect(forged?.headers.has("User")).toBe(false);
  });

  it("never more connections than in_flight", async () => {
    const one = await start();
    let [now, most] = [0, 0];
    one.answer = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 20));
      now--;
      return reportOf([]);
    };
    const three = client([one.name], { inFlight: 3 });
    await Promise.all(Array.from({ length: 12 }, () => three.score(letter("x"), null, SIGNAL)));
    expect(most).toBe(3);
    expect(one.requests).toHaveLength(12);
  });
});

describe("failures", () => {
  const whole = reportOf([{ name: "A", score: 1 }]);

  it("has the same words for a connection that is reset as for one that is closed", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const asked = await client([`tcp:127.0.0.1:${port}`]).score(letter("x"), null, SIGNAL);
      expect(asked).toMatchObject({
        failed: "broken",
        why: expect.stringMatching(/closed without an answer/) as string,
      });
    } finally {
      server.close();
    }
  });

  it.each<[string, SpamdAnswer, string, RegExp]>([
    ["closes without a word", CLOSE, "broken", /closed without an answer/],
    ["closes in the middle", whole.slice(0, -20), "broken", /closed in the middle/],
    ["closes within the head", whole.slice(0, 30), "broken", /closed in the middle/],
    ["says more than its length", `${whole}x`, "broken", /too long/],
    ["closes in its first word", "SPAMD/1.", "broken", /closed in the middle/],
    ["speaks another protocol", "220 mail.example ESMTP\r\n", "broken", /none of spamd's/],
    ["says nothing but noise", "\0\xff".repeat(9000), "broken", /none of spamd's/],
    [
      "has no length",
      "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\nA",
      "broken",
      /no Content-length/,
    ],
    [
      "has an odd length",
      "SPAMD/1.1 0 EX_OK\r\nContent-length: 1e3\r\n\r\n",
      "broken",
      /no Content-length/,
    ],
    ["has no score", framed("x", "maybe"), "broken", /no score/],
    ["has a score that is no number", framed("x", "True ; nan / 5.0"), "broken", /no score/],
    ["has no end", framed("x".repeat(300_000)), "broken", /no Content-length|no end/],
    [
      "says no",
      "SPAMD/1.0 79 Timeout: (300 second timeout)\r\n",
      "refused",
      /timeout: Timeout: \(300/,
    ],
    [
      "says no in a way that could hurt a log",
      "SPAMD/1.0 75 \x1b[31m\xe9\r\n",
      "refused",
      /temporary failure: \?\[31m\?$/,
    ],
  ])("one that %s", async (_what, answer, failed, why) => {
    const one = await start();
    one.answer = () => answer;
    const results: string[] = [];
    const asking = client([one.name], { onResult: (result) => results.push(result) });
    const reply = await asking.score(letter("x"), null, SIGNAL);
    expect(reply).toMatchObject({
      kind: "error",
      failed,
      why: expect.stringMatching(why) as string,
    });
    expect(results).toEqual([failed]);
    if (reply.kind === "error") expect(reply.why).toMatch(/^[\x20-\x7e]+$/);
  });

  it("nobody there", async () => {
    const reply = await client(["unix:/nonexistent/spamd.sock"]).score(letter("x"), null, SIGNAL);
    expect(reply).toMatchObject({
      failed: "unreachable",
      why: "unix:/nonexistent/spamd.sock: ENOENT",
    });
  });

  it("a score that comes before the message was sent is none", async () => {
    const large = Buffer.alloc(8 * 1024 * 1024, "x\r\n");
    const body: Body = { size: large.length, bytes: [large], open: () => pieces([large]) };
    // A peer that answers without reading: its reply is there while our octets are not.
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.pause();
      socket.write(reportOf([]));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const reply = await client([`tcp:127.0.0.1:${port}`]).score(body, null, SIGNAL);
    server.close();
    expect(reply).toMatchObject({ failed: "broken" });
  });

  it("a message that is shorter than it says is never scored", async () => {
    const one = await start();
    const short: Body = {
      size: 100,
      bytes: [Buffer.from("Subject: x\r\n\r\n")],
      open: () => pieces([]),
    };
    const reply = await client([one.name], { deadlineMs: 5000 }).score(short, null, SIGNAL);
    expect(reply).toMatchObject({
      failed: "given-up",
      why: expect.stringContaining("length") as string,
    });
  });

  it("a message that cannot be read is an error, not a rejection", async () => {
    const one = await start();
    const bad: Body = {
      size: 10,
      bytes: null,
      open: () => {
        throw new Error("EIO");
      },
    };
    const reply = await client([one.name]).score(bad, null, SIGNAL);
    expect(reply).toMatchObject({
      failed: "given-up",
      why: expect.stringContaining("EIO") as string,
    });
  });
});

describe("several spamds", () => {
  it("the next one is asked when one fails, in the operator's order", async () => {
    const [first, second] = [await start(), await start("tcp")];
    first.answer = () => "SPAMD/1.0 75 busy\r\n";
    const both = client([first.name, second.name]);
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({ endpoint: second.name });
    first.answer = () => reportOf([]);
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({ endpoint: first.name });
    expect(second.requests).toHaveLength(1);
  });

  it("one that is gone costs nothing", async () => {
    const there = await start();
    const both = client(["unix:/nonexistent/spamd.sock", there.name]);
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({ endpoint: there.name });
  });

  it("all that failed are named", async () => {
    const both = client(["unix:/nonexistent/a", "unix:/nonexistent/b"]);
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({
      why: "unix:/nonexistent/a: ENOENT; unix:/nonexistent/b: ENOENT",
    });
  });

  it("a silent one leaves time for the other, is left alone, and comes back when it answers PING", async () => {
    const [first, second] = [await start(), await start()];
    let silent = true;
    first.deaf = () => silent;
    const told: (string | null)[] = [];
    const over: Partial<SpamdOptions> = {
      deadlineMs: 4000,
      times: { pingMs: 1000, pingEveryMs: 50 },
      onHealth: (_endpoint, why) => told.push(why),
    };
    const both = client([first.name, second.name], over);
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({ endpoint: second.name });
    await expect.poll(() => told.length, { timeout: 5000 }).toBe(1);
    expect(told[0]).toContain("no answer to PING");
    const connections = first.open.now;
    // Nobody waits for it now: with no time to lose the second answers at once.
    const start2 = performance.now();
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({ endpoint: second.name });
    expect(performance.now() - start2).toBeLessThan(1500);
    expect(first.open.now).toBeLessThanOrEqual(connections + 1);
    silent = false;
    await expect
      .poll(
        async () => (await both.score(letter("x"), null, SIGNAL)).kind === "scored" && told.length,
        {
          timeout: 5000,
        },
      )
      .toBe(2);
    expect(told[1]).toBeNull();
    expect(await both.score(letter("x"), null, SIGNAL)).toMatchObject({ endpoint: first.name });
  });

  it("the only one, silent: one message waits, the next ones do not", async () => {
    const one = await start();
    one.deaf = () => true;
    const told: (string | null)[] = [];
    const asking = client([one.name], {
      deadlineMs: 200,
      times: { pingMs: 100, pingEveryMs: 60_000 },
      onHealth: (_endpoint, why) => told.push(why),
    });
    expect(await asking.score(letter("x"), null, SIGNAL)).toMatchObject({ failed: "silent" });
    await expect.poll(() => told.length, { timeout: 5000 }).toBe(1);
    const { now } = one.open;
    for (let i = 0; i < 5; i++)
      expect(await asking.score(letter("x"), null, SIGNAL)).toMatchObject({
        failed: "silent",
        why: expect.stringContaining("resting") as string,
      });
    expect(one.open.now).toBe(now);
  });

  it("a slow message says nothing against a spamd that answers PING", async () => {
    const one = await start();
    one.answer = ({ message }) => (message.includes("slow") ? null : reportOf([]));
    const told: (string | null)[] = [];
    const asking = client([one.name], {
      deadlineMs: 300,
      onHealth: (_endpoint, why) => told.push(why),
    });
    expect(await asking.score(letter("slow"), null, SIGNAL)).toMatchObject({ failed: "silent" });
    expect(await asking.score(letter("quick"), null, SIGNAL)).toMatchObject({ kind: "scored" });
    expect(told).toEqual([]);
  });

  it("no place comes free: the message goes without", async () => {
    const one = await start();
    one.answer = () => null;
    const results: string[] = [];
    const asking = client([one.name], {
      deadlineMs: 200,
      inFlight: 1,
      onResult: (result) => results.push(result),
    });
    await Promise.all([1, 2, 3].map(() => asking.score(letter("x"), null, SIGNAL)));
    expect(results.sort()).toEqual(["busy", "busy", "silent"]);
  });
});

describe("endpoints", () => {
  it.each([
    ["unix:/run/spamd.sock", { path: "/run/spamd.sock" }],
    ["tcp:127.0.0.1:783", { host: "127.0.0.1", port: 783 }],
    ["tcp:[::1]:783", { host: "::1", port: 783 }],
    ["tcp:spamd.example:783", { host: "spamd.example", port: 783 }],
  ])("%s", (text, at) => {
    expect(parseEndpoint(text)).toEqual({ name: text, at });
  });
  it.each([
    "",
    "unix:",
    "unix:run",
    `unix:/${"x".repeat(107)}`,
    "127.0.0.1:783",
    "tcp:a:0",
    "tcp:a:70000",
    "tcp:::1:783",
  ])("%j is none", (text) => expect(parseEndpoint(text)).toBeNull());
});

async function* pieces(of: readonly Buffer[]): AsyncIterable<Buffer> {
  yield* of;
}
