import { describe, expect, test } from "vitest";
import { replyLine } from "../../src/mail/reply.ts";
import type { SmtpOptions } from "../../src/clients/smtp.ts";
import type { Body } from "../../src/mail/message.ts";
import { copyOf, octets, rcpt, streamed } from "../fakes/copy.ts";
import { ALL_EXTENSIONS, CLOSE, type Answer, type NextHopOptions } from "../fakes/next-hop.ts";
import { NEVER, rig, send, settle } from "./smtp-rig.ts";

const A = rcpt("a@example.net");
const B = rcpt("b@example.net");

const steps = [
  ["greeting", "fwd-greeting", "greetingMs"],
  ["helo", "fwd-ehlo", "commandMs"],
  ["xforward", "fwd-xforward", "commandMs"],
  ["mail", "fwd-mail-from", "commandMs"],
  ["rcpt", "fwd-rcpt-to", "commandMs"],
  ["data", "fwd-data-cmd", "commandMs"],
] as const;
const modes = ["PIPELINING", "one at a time"] as const;
const withClient = copyOf({ xforward: new Map([["ADDR", "192.0.2.1"]]) });

function scripted(where: string, answer: Answer, mode: (typeof modes)[number]): NextHopOptions {
  return {
    extensions: mode === "PIPELINING" ? ALL_EXTENSIONS : ALL_EXTENSIONS.slice(1),
    [where]: answer,
  };
}

describe.each(modes)("a next hop that hangs, %s", (mode) => {
  test.each(steps)("at %s: the step's own deadline", async (where, step, option) => {
    const { server, to, mta, events } = await rig(scripted(where, null, mode), { [option]: 30 });
    const line = `451 4.4.2 Timed out during ${step}, MTA(${mta}), id=00042-01`;
    expect(await send(to, withClient, [A, B])).toEqual([line, line]);
    expect(events.at(-1)).toMatchObject({ kind: "failure", step });
    await server.until(() => server.open === 0);
  });

  test.each(steps)("at %s: the message's deadline", async (where, step) => {
    const { server, to, mta } = await rig(scripted(where, null, mode));
    const deadline = new AbortController();
    const sent = send(to, withClient, [A], deadline.signal);
    const reached = /fwd-(?:greeting|ehlo)/.test(step)
      ? () => server.connections === 1
      : () => server.packets.some((packet) => packet.text.includes(where.toUpperCase()));
    await server.until(reached);
    await settle();
    deadline.abort();
    expect(await sent).toEqual([`451 4.4.2 Timed out during ${step}, MTA(${mta}), id=00042-01`]);
    await server.until(() => server.open === 0);
  });
});

describe.each(modes)("a next hop that closes, %s", (mode) => {
  test.each(steps)("at %s", async (where, step) => {
    const { to, mta } = await rig(scripted(where, CLOSE, mode));
    const [line = ""] = await send(to, withClient, [A]);
    expect(line).toMatch(/^451 4\.5\.0 id=00042-01 - Temporary MTA failure on relaying, From /);
    expect(line).toContain(`MTA(${mta}) during ${step} (`);
  });
});

describe("a next hop that talks nonsense", () => {
  const nonsense: readonly (readonly [string, string, RegExp])[] = [
    ["no SMTP", "HTTP/1.1 400 Bad Request\r\n", /\(not an SMTP reply\)/],
    ["octets", "\x00\xff\xfe\r\n", /\(not an SMTP reply\)/],
    ["an endless line", `250 ${"x".repeat(5000)}`, /\(reply line too long\)/],
    ["an endless reply", "250-x\r\n".repeat(200), /\(reply with too many lines\)/],
    ["two codes", "250-x\r\n550 x\r\n", /\(reply changes its code midway\)/],
    ["a code of one digit", "2 ok\r\n", /\(not an SMTP reply\)/],
    ["1xx", "100 go\r\n", /\(not an SMTP reply\)/],
  ];
  for (const [where, step] of steps) {
    test.each(nonsense)(`at ${where}: %s`, async (_, raw, why) => {
      const { server, to } = await rig({ [where]: { raw, close: false } });
      const [line = ""] = await send(to, withClient, [A]);
      expect(line).toMatch(/^451 4\.5\.0 /);
      expect(line).toContain(`during ${step} (`);
      expect(line).toMatch(why);
      await server.until(() => server.open === 0);
    });
  }

  test("a refused session is no refused message", async () => {
    for (const where of ["greeting", "helo"]) {
      const { to } = await rig({ [where]: "554 5.7.1 Not you" });
      expect((await send(to, copyOf(), [A]))[0]).toMatch(
        /^451 4\.5\.0 .* during fwd-(greeting|ehlo) \(554 5\.7\.1 Not you\)/,
      );
    }
  });

  test("a reply out of turn ends an unused connection", async () => {
    const { server, to } = await rig();
    await send(to, copyOf(), [A]);
    server.say("250 2.0.0 Surprise\r\n");
    await server.until(() => server.open === 0);
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
  });

  test("two replies to one command do not shift the answers", async () => {
    const { to } = await rig({
      rcpt: (line) => (line.includes("<a@") ? "250 Ok\r\n250 Ok" : "550 No"),
    });
    const prepared = await to.prepare(copyOf(), [A, B], NEVER);
    // The second reply is taken for B's, so the refusal stands where 354 has to come: nothing may be sent.
    expect(prepared.replies.map((one) => one.kind)).not.toContain("ok");
  });

  test("the text cannot break our own reply", async () => {
    const { to } = await rig({ rcpt: "550 5.1.1 a\rb\0c\x1b[31m\u00e4" });
    const [line = ""] = await send(to, copyOf(), [A]);
    expect(line).toMatch(/^[\x20-\x7e]+$/);
  });
});

describe("while the body goes out", () => {
  const large = octets("x".repeat(30_000_000), 65_536);

  test("a peer that stops reading meets the body deadline", async () => {
    const { to, mta } = await rig({ stopReadingAfter: 1000 }, { bodyMs: 50 });
    expect(await send(to, copyOf({ body: large }), [A])).toEqual([
      `451 4.4.2 Timed out during fwd-data-contents, MTA(${mta}), id=00042-01`,
    ]);
  });

  test("a peer that stops reading meets the message's deadline", async () => {
    const { to, mta } = await rig({ stopReadingAfter: 1000 });
    const [line] = await send(to, copyOf({ body: large }), [A], AbortSignal.timeout(100));
    expect(line).toBe(`451 4.4.2 Timed out during fwd-data-contents, MTA(${mta}), id=00042-01`);
  });

  test("a refusal before the dot is the answer", async () => {
    const { server, to, mta } = await rig();
    let said = false;
    const body = streamed(10_000_000, async function* () {
      for (let i = 0; i < 100; i++) {
        yield Buffer.alloc(100_000, "x");
        if (!said && i > 2) {
          said = true;
          server.say("552 5.3.4 Too big\r\n");
          await server.until(() => server.open === 0);
        }
      }
    });
    expect(await send(to, copyOf({ body }), [A])).toEqual([
      `552 5.3.4 id=00042-01 - Rejected by next-hop MTA on relaying, from MTA(${mta}): 552 5.3.4 Too big`,
    ]);
    expect(server.delivered).toEqual([]);
  });

  test("a close between prepare and commit is a tempfail, and no dot went out", async () => {
    const { server, to, events } = await rig();
    const prepared = await to.prepare(copyOf(), [A], NEVER);
    await server.drop();
    await settle();
    const [reply] = await prepared.commit();
    expect(reply === undefined ? "" : replyLine(reply)).toMatch(
      /^451 4\.5\.0 .* during fwd-data-contents \(/,
    );
    expect(events.at(-1)?.kind).toBe("failure");
    expect(server.transactions.map((one) => one.complete)).toEqual([false]);
  });

  test("20 MB from a spool file are never held in memory", async () => {
    const { server, to } = await rig({ dot: "250 Ok" });
    const piece = Buffer.alloc(65_536, "0123456789abcd\r\n");
    let ahead = 0;
    let most = 0;
    const body = streamed(320 * piece.length, async function* () {
      for (let i = 0; i < 320; i++) {
        const taken = server.packets.reduce((sum, packet) => sum + packet.text.length, 0);
        server.packets.splice(0, server.packets.length, { connection: 1, text: "" });
        ahead += piece.length - taken;
        most = Math.max(most, ahead);
        yield piece;
      }
    });
    expect((await send(to, copyOf({ body }), [A]))[0]).toMatch(/^250 /);
    expect(server.delivered[0]?.body.length).toBe(320 * piece.length);
    // What lies between us and the peer is the kernel's: some MB on loopback, never the message.
    expect(most).toBeLessThan(10_000_000);
  });
});

describe("a body that lends its octets", () => {
  const line = (i: number): string => `${i}:${"x".repeat(i % 900)}\r\n.${i}\r\n`;
  const content = Buffer.from(Array.from({ length: 1_000 }, (_, i) => line(i)).join(""));

  /** Pieces of `step` octets in one buffer, overwritten as soon as the next is asked for. */
  const lending = (step: number, from: Buffer = content): Body => ({
    ...streamed(from.length, () => {
      throw new Error("not to be opened");
    }),
    async *lend() {
      const one = Buffer.alloc(step);
      for (let at = 0; at < from.length; at += step) {
        const length = from.copy(one, 0, at, at + step);
        yield one.subarray(0, length);
        one.fill("#");
      }
    },
  });

  test.each([1000, 65_536, 131_072, 1_000_000])("in pieces of %d arrives whole", async (step) => {
    const { server, to } = await rig({ dot: "250 Ok" });
    const sent = await Promise.all(
      [1, 2, 3].map(() => send(to, copyOf({ body: lending(step) }), [A])),
    );
    expect(sent.map(([reply]) => reply?.slice(0, 4))).toEqual(["250 ", "250 ", "250 "]);
    expect(server.delivered.map(({ body }) => body.equals(content))).toEqual([true, true, true]);
  });

  test("waits for a peer that does not read, and ends with the message's deadline", async () => {
    const { server, to, mta } = await rig({ stopReadingAfter: 1000 });
    const large = Buffer.alloc(30_000_000, "0123456789abcd\r\n");
    const [reply] = await send(
      to,
      copyOf({ body: lending(131_072, large) }),
      [A],
      AbortSignal.timeout(200),
    );
    expect(reply).toBe(`451 4.4.2 Timed out during fwd-data-contents, MTA(${mta}), id=00042-01`);
    expect(server.delivered).toEqual([]);
  });

  test.each([
    ["shorter", -1],
    ["longer", 1],
  ])("and is %s than it said is not sent", async (_name, difference) => {
    const { server, to } = await rig({ dot: "250 Ok" });
    const body = { ...lending(65_536), size: content.length - difference };
    const [reply] = await send(to, copyOf({ body }), [A]);
    expect(reply).toMatch(/^451 /);
    expect(server.delivered).toEqual([]);
  });
});

describe("after the dot", () => {
  test.each([
    ["hangs", null, "timeout", /^451 4\.4\.2 Timed out during fwd-data-end, MTA/],
    [
      "closes",
      CLOSE,
      "closed",
      /^451 4\.4\.2 .* during fwd-data-end \(connection closed by the server\)/,
    ],
    [
      "talks nonsense",
      { raw: "what?\r\n", close: false },
      "",
      /^451 4\.4\.2 .* during fwd-data-end \(not an SMTP reply\)/,
    ],
    ["says 354 again", "354 More", "", /^451 4\.5\.0 .*: 354 More$/],
  ] as const)("a peer that %s: tempfail", async (how, dot, _, expected) => {
    const { server, to, events } = await rig({ dot }, { dataDoneMs: 30 });
    expect((await send(to, copyOf(), [A]))[0]).toMatch(expected);
    if (how !== "says 354 again")
      expect(events.at(-1)).toMatchObject({ kind: "unknown", step: "fwd-data-end" });
    // Never a second attempt of our own: the peer may have the message.
    expect(server.transactions).toHaveLength(1);
    await server.until(() => server.open === 0);
  });

  test("the message's deadline does not cut the wait short", async () => {
    const deadline = new AbortController();
    let answer: (said: string) => void = () => {};
    const { server, to } = await rig({
      dot: () => new Promise<string>((resolve) => (answer = resolve)),
    });
    const prepared = await to.prepare(copyOf(), [A], deadline.signal);
    const committed = prepared.commit();
    await server.until(() => server.transactions[0]?.complete === true);
    deadline.abort();
    await settle();
    answer("250 2.0.0 Ok");
    expect((await committed).map((one) => one.kind)).toEqual(["ok"]);
  });
});

describe("used connections", () => {
  test("one connection serves one message after the other, up to maxMessages", async () => {
    const { server, to, events } = await rig({}, { maxMessages: 3 });
    for (let i = 0; i < 7; i++) await send(to, copyOf(), [A]);
    expect(server.delivered.map((one) => one.connection)).toEqual([1, 1, 1, 2, 2, 2, 3]);
    expect(events.map((one) => one.kind)).toEqual([
      "connect",
      "reuse",
      "reuse",
      "connect",
      "reuse",
      "reuse",
      "connect",
    ]);
  });

  const dead: readonly (readonly [string, NextHopOptions])[] = [
    ["says 421 to MAIL", { mail: { raw: "421 4.4.2 Idle too long\r\n", close: true } }],
    ["says 421 to MAIL and stays", { mail: "421 4.3.2 Going down" }],
    ["says 421 to RCPT", { rcpt: { raw: "421 4.3.2 Going down\r\n", close: true } }],
    ["closes at MAIL", { mail: CLOSE }],
    ["closes at DATA", { data: CLOSE }],
  ];
  test.each(dead)("one that %s: again on a new one, once", async (_, script) => {
    for (const mode of modes) {
      const extensions = mode === "PIPELINING" ? ALL_EXTENSIONS : ALL_EXTENSIONS.slice(1);
      const { server, to, events } = await rig({ extensions }, { maxConnections: 1 });
      await send(to, copyOf(), [A]);
      const standard: NextHopOptions = { mail: "250 Ok", rcpt: "250 Ok", data: "354 Go on" };
      server.script({ ...script, greeting: () => (server.script(standard), "220 Back") });
      expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
      expect(events.map((one) => one.kind)).toEqual(["connect", "reuse", "retry", "connect"]);
      expect(server.delivered).toHaveLength(2);
    }
  });

  test.each(dead)("a new one that %s: no second try", async (_, script) => {
    const { server, to } = await rig(script);
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^45/);
    expect(server.connections).toBe(1);
  });

  test("several that died together cost one retry", async () => {
    const { server, to } = await rig({}, { maxConnections: 5 });
    await Promise.all([1, 2, 3, 4, 5].map(() => send(to, copyOf(), [A])));
    const before = server.connections;
    await server.drop();
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
    expect(server.connections).toBe(before + 1);
  });

  test("an unused one is closed after idleMs, with QUIT", async () => {
    const { server, to } = await rig({}, { idleMs: 20 });
    await send(to, copyOf(), [A]);
    await server.until(() => server.open === 0);
    expect(server.packets.at(-1)?.text).toBe("QUIT\r\n");
  });

  test("XFORWARD of the message before never clings to the next", async () => {
    const { server, to } = await rig();
    await send(to, withClient, [A]);
    await send(to, copyOf(), [A]);
    expect(server.delivered[1]?.xforward.get("ADDR")).toBe("[UNAVAILABLE]");
  });

  test("refused XFORWARD does not stop the mail", async () => {
    const { to } = await rig({ xforward: "550 5.7.0 Not you" });
    expect((await send(to, withClient, [A]))[0]).toMatch(/^250 /);
  });

  test("a refused RSET gives the connection up", async () => {
    const { server, to } = await rig({ rcpt: "550 No", rset: "500 What?" });
    await send(to, copyOf(), [A]);
    server.script({ rcpt: "250 Ok" });
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
    expect(server.connections).toBe(2);
  });
});

describe("the pool", () => {
  const gated = (): { readonly dot: () => Promise<string>; open(): void } => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    return { dot: () => gate.then(() => "250 Ok"), open: () => open() };
  };

  test("never more than maxConnections; who waits is served in order", async () => {
    const gate = gated();
    const { server, to } = await rig({ dot: gate.dot }, { maxConnections: 2 });
    const order: number[] = [];
    const all = Array.from({ length: 8 }, (_, i) =>
      send(to, copyOf(), [A]).then(() => order.push(i)),
    );
    await server.until(() => server.transactions.filter((one) => one.complete).length === 2);
    gate.open();
    await Promise.all(all);
    expect(server.connections).toBe(2);
    expect(order.slice(2)).toEqual([...order.slice(2)].sort((a, b) => a - b));
  });

  test("who waits too long for a connection gets a tempfail, and the place is not lost", async () => {
    const gate = gated();
    const { server, to, mta } = await rig({ dot: gate.dot }, { maxConnections: 1 });
    const first = send(to, copyOf(), [A]);
    await server.until(() => server.transactions.length === 1);
    expect(await send(to, copyOf(), [A], AbortSignal.timeout(20))).toEqual([
      `451 4.4.2 Timed out during fwd-connect, MTA(${mta}), id=00042-01`,
    ]);
    gate.open();
    expect((await first)[0]).toMatch(/^250 /);
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
    expect(server.connections).toBe(1);
  });

  const failing: readonly (readonly [string, NextHopOptions, Partial<SmtpOptions>])[] = [
    ["greeting hangs", { greeting: null }, { greetingMs: 20 }],
    ["session is refused", { greeting: "554 No" }, {}],
    ["mail dies", { mail: CLOSE }, {}],
    ["RCPT is refused", { rcpt: "550 No" }, {}],
  ];
  test.each(failing)("no place is lost when the %s", async (_, script, options) => {
    const { server, to } = await rig(script, { maxConnections: 1, ...options });
    await Promise.all([1, 2, 3].map(() => send(to, copyOf(), [A])));
    server.script({ greeting: "220 Hi", mail: "250 Ok", rcpt: "250 Ok" });
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
  });

  test("close lets what is under way finish and refuses the rest", async () => {
    const gate = gated();
    const { server, to } = await rig({ dot: gate.dot }, { maxConnections: 1 });
    const first = send(to, copyOf(), [A]);
    await server.until(() => server.transactions[0]?.complete === true);
    const second = send(to, copyOf(), [A]);
    const closed = to.close();
    expect((await second)[0]).toMatch(/^451 4\.5\.0 .* during fwd-connect \(shutting down\)/);
    gate.open();
    expect((await first)[0]).toMatch(/^250 /);
    await closed;
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^451 /);
    await server.until(() => server.open === 0);
  });
});
