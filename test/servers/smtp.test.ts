// The listener from outside: what reaches the handler, what the peer reads, and what remains when things go wrong.
import { execFileSync } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ok, type Reply } from "../../src/mail/reply.ts";
import type { Spool } from "../../src/sys/spooled.ts";
import type { Body } from "../../src/mail/message.ts";
import type { SmtpHandler, SmtpOptions } from "../../src/servers/smtp.ts";
import { spoolRoom } from "../../src/sys/spool.ts";
import type { Talker } from "./dialogue.ts";
import { rig, type Rig } from "./rig.ts";

const open: Rig[] = [];

async function start(
  options: Partial<SmtpOptions> = {},
  handler: Partial<SmtpHandler> = {},
  unix = false,
): Promise<Rig> {
  const made = await rig(options, handler, unix);
  open.push(made);
  return made;
}

afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

/** Up to and including 354. */
async function upToData(talker: Talker, hello = "EHLO x", rcpts = ["c@d.example"]): Promise<void> {
  expect(await talker.reply()).toMatch(/^220 /);
  for (const command of [
    hello,
    "MAIL FROM:<a@b.example>",
    ...rcpts.map((rcpt) => `RCPT TO:<${rcpt}>`),
  ]) {
    expect(await talker.ask(command)).toMatch(/^250 /);
  }
  expect(await talker.ask("DATA")).toMatch(/^354 /);
}

/** Spool files without a name that this process has open. */
function spoolFiles(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(".spool");
    } catch {
      return false; // The descriptor of readdir itself.
    }
  }).length;
}

/** A message call that stays open until it is told its replies. */
function held(): {
  called: Promise<{ spool: Spool; gone: AbortSignal }>;
  answer: (replies: readonly Reply[]) => void;
  message: SmtpHandler["message"];
} {
  const called = Promise.withResolvers<{ spool: Spool; gone: AbortSignal }>();
  const answer = Promise.withResolvers<readonly Reply[]>();
  return {
    called: called.promise,
    answer: answer.resolve,
    message: (_transaction, spool, gone) => {
      called.resolve({ spool, gone });
      return answer.promise;
    },
  };
}

describe("what the library does otherwise", () => {
  test("greets at once, and the greeting does not wait for 100 ms", async () => {
    const { talk } = await start();
    const began = performance.now();
    for (let i = 0; i < 30; i++) {
      const talker = await talk();
      expect(await talker.reply()).toBe("220 h.example ESMTP postern");
      talker.end();
    }
    expect(performance.now() - began).toBeLessThan(2500);
  });

  test("keeps the envelope byte for byte", async () => {
    const made = await start({ parameters: "any" });
    const talker = await made.talk();
    await talker.reply();
    await talker.ask("EHLO x");
    const senders = '<@relay.example,@other.example:"a b"@XN--MNCHEN-3YA.Example.>';
    expect(await talker.ask(`MAIL FROM:${senders} ENVID=a+2Bb SIZE=10`)).toMatch(/^250/);
    const rcpts = [
      '"x@y"@d.example',
      "a..b@d.example",
      "+2b@[IPv6:2001:DB8::1]",
      "postmaster",
      "Post.@D.example",
    ];
    for (const rcpt of rcpts) {
      expect(await talker.ask(`RCPT TO:<${rcpt}> ORCPT=rfc822;a+2Bb@d.example`)).toMatch(/^250/);
    }
    await talker.ask("DATA");
    await talker.ask("x\r\n.");
    talker.end();
    const { transaction } = made.received[0]!;
    expect(transaction.sender).toEqual({
      raw: senders.slice(1, -1),
      local: "a b",
      domain: "xn--mnchen-3ya.example",
    });
    expect(transaction.senderParams).toEqual(["ENVID=a+2Bb", "SIZE=10"]);
    expect(transaction.recipients.map(({ address }) => address.raw)).toEqual(rcpts);
    expect(transaction.recipients[0]!.params).toEqual(["ORCPT=rfc822;a+2Bb@d.example"]);
    expect(transaction).toMatchObject({
      listener: "smtp:test",
      peer: "127.0.0.1",
      greeting: "x",
      protocol: "ESMTP",
    });
  });

  test("takes UTF-8 addresses and passes 8-bit content through", async () => {
    const made = await start();
    const talker = await made.talk();
    await talker.reply();
    await talker.ask("EHLO x");
    talker.send(Buffer.from("MAIL FROM:<jürgen@münchen.example> SMTPUTF8\r\n"));
    expect(await talker.reply()).toMatch(/^250/);
    talker.send(Buffer.from("RCPT TO:<用户@例え.example>\r\n"));
    expect(await talker.reply()).toMatch(/^250/);
    await talker.ask("DATA");
    expect(await talker.ask("\xff\xfe\x80\r\n.")).toMatch(/^250/);
    talker.end();
    const { transaction, text } = made.received[0]!;
    expect(transaction.sender).toEqual({
      raw: "jürgen@münchen.example",
      local: "jürgen",
      domain: "xn--mnchen-3ya.example",
    });
    expect(transaction.recipients[0]!.address.raw).toBe("用户@例え.example");
    expect(text).toBe("\xff\xfe\x80\r\n");
  });

  test("forgets XFORWARD with each transaction, RSET and EHLO; the first new one starts afresh", async () => {
    const made = await start();
    const talker = await made.talk();
    await talker.reply();
    await talker.ask("EHLO x");
    const send = async (before: string[]): Promise<Record<string, string>> => {
      for (const command of [...before, "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>"]) {
        expect(await talker.ask(command)).toMatch(/^250/);
      }
      await talker.ask("DATA");
      await talker.ask(".");
      return Object.fromEntries(made.received.at(-1)!.transaction.xforward);
    };
    expect(
      await send([
        "XFORWARD NAME=a ADDR=IPV6:2001:db8::1 PORT=25",
        "XFORWARD HELO=h+20i IDENT=Q SOURCE=REMOTE PROTO=ESMTP",
      ]),
    ).toEqual({
      NAME: "a",
      ADDR: "IPV6:2001:db8::1",
      PORT: "25",
      HELO: "h i",
      IDENT: "Q",
      SOURCE: "REMOTE",
      PROTO: "ESMTP",
    });
    expect(await send([])).toEqual({});
    expect(await send(["XFORWARD NAME=a ADDR=192.0.2.1", "XFORWARD ADDR=[UNAVAILABLE]"])).toEqual({
      NAME: "a",
    });
    expect(await send(["XFORWARD NAME=a", "RSET"])).toEqual({});
    expect(await send(["XFORWARD NAME=a", "EHLO y"])).toEqual({});
    // A refused MAIL was the end of what was forwarded for it.
    await talker.ask("XFORWARD NAME=a HELO=b");
    await talker.ask("MAIL FROM:<full@b.example>");
    expect(await send(["XFORWARD NAME=c"])).toEqual({ NAME: "c" });
    talker.end();
  });

  test("keeps repeated recipients", async () => {
    const made = await start();
    const talker = await made.talk();
    await upToData(talker, "LHLO x", ["a@d.example", "A@D.example", "a@d.example"]);
    talker.send(".\r\n");
    expect([await talker.line(), await talker.line(), await talker.line()]).toEqual([
      "250 2.1.5 For a",
      "250 2.1.5 For A",
      "250 2.1.5 For a",
    ]);
    expect(made.received[0]!.transaction.recipients).toHaveLength(3);
    talker.end();
  });

  test("sends the caller's status codes, long and hostile texts too", async () => {
    const text = `${"x".repeat(600)}\r\n250 2.0.0 forged ü`;
    const { talk } = await start(
      {},
      {
        message: async () => [{ kind: "tempfail", code: 450, status: "4.7.1", text }],
      },
    );
    const talker = await talk();
    await upToData(talker);
    talker.send(".\r\n");
    const first = await talker.line();
    const last = await talker.line();
    expect(first).toMatch(/^450-4\.7\.1 x+$/);
    expect(first!.length).toBeLessThanOrEqual(510);
    expect(last).toMatch(/^450 4\.7\.1 x+\?\?250 2\.0\.0 forged \?$/);
    talker.end();
  });

  test("refuses at DATA, before 354, and frees the transaction", async () => {
    const made = await start(
      {},
      { data: () => ({ kind: "tempfail", code: 451, status: "4.7.1", text: "Not now" }) },
    );
    const talker = await made.talk();
    await talker.reply();
    await talker.ask("EHLO x");
    await talker.ask("MAIL FROM:<a@b.example>");
    await talker.ask("RCPT TO:<c@d.example>");
    expect(await talker.ask("DATA")).toBe("451 4.7.1 Not now");
    expect(made.ended).toEqual(["a"]);
    expect(await talker.ask("MAIL FROM:<a@b.example>")).toMatch(/^250/);
    talker.end();
  });

  test("writes nothing to standard error about TLS", () => {
    const code = `import { smtpServer, SMTP_DEFAULTS } from ${JSON.stringify(new URL("../../src/servers/smtp.ts", import.meta.url).href)};
      smtpServer({ ...SMTP_DEFAULTS, name: "n", hostname: "h", handler: {}, spool: {}, allow: () => true, onError() {} });`;
    const out = execFileSync(
      process.execPath,
      ["--input-type=module", "-e", `${code} console.log("made")`],
      {
        stdio: ["ignore", "pipe", "pipe"],
        encoding: "utf8",
      },
    );
    expect(out).toBe("made\n");
  });

  test("answers a batch of commands in one write", async () => {
    const { where } = await start();
    const socket = connect(where as { port: number; host: string });
    socket.on("error", () => {});
    await once(socket, "data");
    socket.write(
      "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@d.example>\r\nDATA\r\n",
    );
    const [data] = (await once(socket, "data")) as [Buffer];
    expect(data.toString()).toMatch(/^250-.*354 [^\n]*\r\n$/s);
    socket.destroy();
  });
});

describe("who may speak", () => {
  test("a peer outside allow gets 554 and a close", async () => {
    const asked: string[] = [];
    const made = await start({ allow: (peer) => asked.push(peer) < 0 });
    const talker = await made.talk();
    talker.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\n");
    expect(await talker.line()).toBe("554 5.7.1 Access denied");
    expect(await talker.line()).toBeNull();
    expect(asked).toEqual(["127.0.0.1"]);
    expect(made.begun).toEqual([]);
  });

  test("a unix socket is always allowed and has no peer address", async () => {
    const made = await start({ allow: () => false }, {}, true);
    const talker = await made.talk();
    await upToData(talker, "LHLO x");
    expect(await talker.ask(".")).toBe("250 2.1.5 For c");
    expect(made.received[0]!.transaction).toMatchObject({ peer: "", protocol: "LMTP" });
    talker.end();
  });

  test("connections over the limit get 421", async () => {
    const made = await start({ maxConnections: 1 });
    const first = await made.talk();
    expect(await first.reply()).toMatch(/^220/);
    const second = await made.talk();
    expect(await second.line()).toMatch(/^421 4\.3\.2 /);
    expect(await second.line()).toBeNull();
    first.end();
    second.end();
    await vi.waitFor(() => expect(made.listener.connections).toBe(0), 10_000);
    const third = await made.talk();
    expect(await third.reply()).toMatch(/^220/);
    third.end();
  });
});

describe("line ends", () => {
  const SMUGGLING = [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\0\r\n.\0\r\n",
    "\r\n.\r\r\n",
    "\n\n.\r\r\n",
  ];
  const INSIDE = "MAIL FROM:<evil@b.example>\r\nRCPT TO:<victim@d.example>\r\nDATA\r\nsmuggled\r\n";

  test.each(SMUGGLING)("%j ends no message", async (sequence) => {
    for (const lineEnds of ["normalise", "refuse"] as const) {
      const made = await start({ lineEnds });
      const talker = await made.talk();
      await upToData(talker);
      const body = Buffer.from(`one${sequence}${INSIDE}.\r\n`, "latin1");
      // Octet by octet for the first, whole for the second.
      if (lineEnds === "normalise") for (const octet of body) talker.send(Buffer.of(octet));
      else talker.send(body);
      const reply = await talker.reply();
      expect(await talker.ask("NOOP")).toBe("250 2.0.0 OK");
      expect(made.begun).toEqual(["a"]);
      if (lineEnds === "normalise") {
        expect(reply).toBe("250 2.0.0 Queued");
        expect(made.received).toHaveLength(1);
        expect(made.received[0]!.text).toContain("MAIL FROM:<evil@b.example>\r\n");
        expect(made.received[0]!.text).not.toMatch(/\r(?!\n)|(?<!\r)\n|\0/);
      } else {
        expect(reply).toMatch(/^550 5\.5\.2 Message contains /);
        expect(made.received).toHaveLength(0);
        expect(made.room.held).toBe(0);
      }
      talker.end();
    }
  });

  test("the refusal names all that was found", async () => {
    const { talk } = await start({ lineEnds: "refuse" });
    const talker = await talk();
    await upToData(talker);
    talker.send("a\rb\r\n");
    talker.send("c\nd\r\n\0\r\n.\r\n");
    expect(await talker.reply()).toBe("550 5.5.2 Message contains bare <CR>, bare <LF>, NUL");
    talker.end();
  });

  test("the handler learns what was mended", async () => {
    const made = await start();
    const talker = await made.talk();
    await upToData(talker);
    talker.send("a\rb\nc\nd\0\r\n.\r\n");
    await talker.reply();
    expect(made.received[0]!.faults).toEqual({ bareCr: 1, bareLf: 2, nul: 1 });
    expect(made.received[0]!.text).toBe("a b\r\nc\r\nd \r\n");
    talker.end();
  });
});

describe("when things go wrong", () => {
  test.each([
    ["in memory", 100_000],
    ["in a file", 3_000_000],
  ])("a client that leaves mid-DATA leaves nothing behind %s", async (_where, octets) => {
    const made = await start();
    const talker = await made.talk();
    await upToData(talker);
    talker.send("x".repeat(octets));
    if (octets < 256 * 1024) await vi.waitFor(() => expect(made.room.held).toBe(octets), 10_000);
    else await vi.waitFor(() => expect(spoolFiles()).toBe(1), 10_000);
    talker.end();
    await vi.waitFor(() => expect(made.listener.connections).toBe(0), 10_000);
    expect(made.ended).toEqual(["a"]);
    expect(made.room.held).toBe(0);
    expect(made.received).toEqual([]);
    expect(made.errors).toEqual([]);
    await vi.waitFor(() => expect(spoolFiles()).toBe(0), 10_000);
  });

  test("a client that leaves while its message is judged is seen, and the spool stays until the end", async () => {
    const { called, answer, message } = held();
    const made = await start({}, { message });
    const talker = await made.talk();
    await upToData(talker);
    talker.send("hello\r\n.\r\n");
    const { spool, gone } = await called;
    expect(gone.aborted).toBe(false);
    talker.end();
    await once(gone, "abort");
    expect(spool.size).toBe(7);
    expect(spool.bytes).not.toBeNull();
    expect(made.ended).toEqual([]);
    answer([ok("too late")]);
    await vi.waitFor(() => expect(made.listener.connections).toBe(0), 10_000);
    expect(made.ended).toEqual(["a"]);
    expect(() => spool.bytes).toThrow();
  });

  test.each(["QUIT behind the dot", "QUIT in a packet of its own"])(
    "a client that closes its half and waits gets its reply: %s",
    async (how) => {
      const { called, answer, message } = held();
      const made = await start({}, { message });
      const talker = await made.talk();
      await upToData(talker);
      if (how === "QUIT behind the dot") talker.socket.end("hello\r\n.\r\nQUIT\r\n");
      else {
        talker.send("hello\r\n.\r\n");
        await called;
        talker.socket.end("QUIT\r\n");
      }
      const { gone } = await called;
      // Nothing tells when a FIN was not taken for leaving: a round trip on another connection gives it time to arrive.
      const other = await made.talk();
      await other.reply();
      expect(gone.aborted).toBe(false);
      answer([ok("saved")]);
      expect(await talker.reply()).toBe("250 2.0.0 saved");
      expect(await talker.reply()).toMatch(/^221 /);
      await once(talker.socket, "close");
    },
  );

  test("MAIL accepted after the client left is over at once", async () => {
    const waiting = Promise.withResolvers<Reply>();
    const asked = Promise.withResolvers<void>();
    const made = await start(
      {},
      {
        mail: () => {
          asked.resolve();
          return waiting.promise;
        },
      },
    );
    const talker = await made.talk();
    await talker.reply();
    talker.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\n");
    // The reply to EHLO does not wait for the one to MAIL.
    expect(await talker.reply()).toMatch(/^250 XFORWARD/);
    await asked.promise;
    talker.end();
    await once(talker.socket, "close");
    waiting.resolve(ok("come in", "2.1.0"));
    await vi.waitFor(() => expect(made.ended).toEqual(["a"]), 10_000);
    await vi.waitFor(() => expect(made.listener.connections).toBe(0), 10_000);
  });

  test.each([
    [
      "throws",
      async () => {
        throw new Error("broken");
      },
    ],
    ["gives too few replies", async () => [ok("one")]],
  ])("a handler that %s is a 451 for every recipient", async (_what, message) => {
    const made = await start({}, { message });
    const talker = await made.talk();
    await upToData(talker, "LHLO x", ["a@d.example", "b@d.example"]);
    talker.send("x\r\n.\r\n");
    expect(await talker.line()).toMatch(/^451 4\.3\.0 /);
    expect(await talker.line()).toMatch(/^451 4\.3\.0 /);
    expect(await talker.ask("NOOP")).toBe("250 2.0.0 OK");
    expect(made.errors).toHaveLength(1);
    expect(made.ended).toEqual(["a"]);
    talker.end();
  });

  test("a spool that cannot be written is 452 4.3.1", async () => {
    const made = await start({ spool: spoolRoom({ dir: "/nonexistent/spool", perMessage: 10 }) });
    const talker = await made.talk();
    await upToData(talker);
    talker.send("x".repeat(1_000_000));
    talker.send("\r\n.\r\n");
    expect(await talker.reply()).toMatch(/^452 4\.3\.1 /);
    expect(await talker.ask("MAIL FROM:<again@b.example>")).toMatch(/^250 /);
    expect(made.errors.length).toBeGreaterThan(0);
    expect(made.received).toEqual([]);
    talker.end();
  });

  test("a silent client is told 421, but not while it waits for us", async () => {
    const { called, answer, message } = held();
    const made = await start({ idleMs: 700 }, { message });
    const talker = await made.talk();
    await upToData(talker);
    talker.send(".\r\n");
    await called;
    const began = performance.now();
    const idle = await made.talk();
    expect(await idle.reply()).toMatch(/^220/);
    expect(await idle.line()).toMatch(/^421 4\.4\.2 /);
    expect(await idle.line()).toBeNull();
    expect(performance.now() - began).toBeGreaterThan(500);
    answer([ok("at last")]);
    expect(await talker.reply()).toBe("250 2.0.0 at last");
    expect(await talker.line()).toMatch(/^421 4\.4\.2 /);
  });

  test("DATA that trickles for too long is cut off", async () => {
    const made = await start({ dataMs: 300 });
    const talker = await made.talk();
    await upToData(talker);
    const drip = setInterval(() => talker.send("x"), 5);
    expect(await talker.line()).toMatch(/^421 4\.4\.2 /);
    clearInterval(drip);
    expect(await talker.line()).toBeNull();
    expect(made.ended).toEqual(["a"]);
    talker.end();
  });

  test("an over-long command is refused once, however it comes; one without end is cut off", async () => {
    const { talk } = await start();
    const talker = await talk();
    await talker.reply();
    for (let i = 0; i < 50; i++) {
      talker.send("x".repeat(10_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    talker.send("\r\nNOOP\r\n");
    expect(await talker.line()).toBe("500 5.5.2 Command line too long");
    expect(await talker.line()).toBe("250 2.0.0 OK");
    talker.send("x".repeat(1_200_000));
    expect(await talker.line()).toBe("500 5.5.2 Command line too long");
    expect(await talker.line()).toMatch(/^421 4\.7\.0 /);
    expect(await talker.line()).toBeNull();
  });

  test("every border between two writes is as good as another", async () => {
    const made = await start();
    const dialogue =
      "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n..a\r\n.b\r\n.\r\nMAIL FROM:<e@b.example>\r\nRSET\r\nQUIT\r\n";
    for (let cut = 1; cut < dialogue.length; cut++) {
      const talker = await made.talk();
      talker.send(dialogue.slice(0, cut));
      // One turn of the loop on each side, so that the halves are read apart.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      talker.send(dialogue.slice(cut));
      const codes: string[] = [];
      for (let line = await talker.reply(); line !== null; line = await talker.reply())
        codes.push(line.slice(0, 3));
      expect(codes.join(" "), `cut at ${cut}`).toBe("220 250 250 250 354 250 250 250 221");
    }
    expect(new Set(made.received.map(({ text }) => text))).toEqual(new Set([".a\r\nb\r\n"]));
    expect(made.ended).toEqual(made.begun);
  });
});

describe("many octets", () => {
  test("a message larger than memory arrives whole, and memory stays flat while it waits", async () => {
    const { called, answer, message } = held();
    const made = await start({}, { message });
    const talker = await made.talk();
    await upToData(talker);
    const line = `${"0123456789".repeat(7)}\r\n`;
    const block = Buffer.from(line.repeat(1000));
    const rounds = 300;
    let peak = 0;
    for (let i = 0; i < rounds; i++) {
      if (!talker.socket.write(block)) await once(talker.socket, "drain");
      peak = Math.max(peak, made.room.held);
    }
    talker.send(".\r\n");
    const { spool } = await called;
    expect(spool.size).toBe(block.length * rounds);
    expect(spool.bytes).toBeNull();
    expect(peak).toBeLessThan(2 * 1024 * 1024);
    let same = 0;
    for await (const piece of (spool satisfies Body).open()) same += piece.length;
    expect(same).toBe(spool.size);
    answer([ok("done")]);
    expect(await talker.reply()).toBe("250 2.0.0 done");
    talker.end();
  });

  test("a client that pipelines behind a message that is judged is not read without end", async () => {
    const { called, answer, message } = held();
    const made = await start({}, { message });
    const talker = await made.talk();
    await upToData(talker);
    talker.send(".\r\n");
    await called;
    const before = process.memoryUsage().rss;
    const block = Buffer.from("NOOP\r\n".repeat(100_000));
    for (let i = 0; i < 100 && talker.socket.write(block); i++);
    let written = 0;
    while (talker.socket.writableLength === 0 && written++ < 1000) talker.socket.write(block);
    expect(talker.socket.writableLength).toBeGreaterThan(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    talker.end();
    answer([ok("done")]);
    await vi.waitFor(() => expect(made.listener.connections).toBe(0), 5000);
  });
});

test("a message that outgrows its room is read to its end and refused with 452", async () => {
  const told: number[] = [];
  const made = await start({}, { grew: (_transaction, octets) => told.push(octets) < 2 });
  const talker = await made.talk();
  await upToData(talker);
  for (let piece = 0; piece < 4; piece++) {
    talker.send(`${"x".repeat(998)}\r\n`.repeat(10));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  talker.send(".\r\n");
  expect(await talker.line()).toMatch(/^452 4\.3\.1 /);
  expect(told).toHaveLength(2);
  expect(made.received).toEqual([]);
  expect(made.ended).toEqual(["a"]);
  talker.send("MAIL FROM:<a@b.example>\r\n");
  expect(await talker.line()).toMatch(/^250 /);
}, 10_000);

describe("stopping", () => {
  test("idle sessions are closed, a message under way gets its answer, nobody new comes in", async () => {
    const { called, answer, message } = held();
    const made = await start({}, { message });
    const busy = await made.talk();
    await upToData(busy);
    busy.send("x\r\n.\r\n");
    await called;
    const idle = await made.talk();
    await idle.reply();
    const begun = await made.talk();
    await begun.reply();
    await begun.ask("EHLO x");
    await begun.ask("MAIL FROM:<b@b.example>");

    const closed = made.listener.close(10_000);
    expect(await idle.line()).toMatch(/^421 4\.3\.2 /);
    expect(await idle.line()).toBeNull();
    await expect(made.talk()).rejects.toThrow(/ECONNREFUSED/);
    expect(await begun.ask("RCPT TO:<c@d.example>")).toMatch(/^250 /);
    expect(await begun.ask("RSET")).toMatch(/^421 4\.3\.2 /);
    answer([ok("kept")]);
    expect(await busy.line()).toBe("250 2.0.0 kept");
    expect(await busy.line()).toMatch(/^421 4\.3\.2 /);
    expect(await busy.line()).toBeNull();
    await closed;
    expect(made.listener.connections).toBe(0);
  });

  test("a lenient stop lets a session that has begun nothing begin its first transaction", async () => {
    const made = await start();
    const fresh = await made.talk();
    const used = await made.talk();
    await upToData(used);
    used.send("x\r\n.\r\n");
    expect(await used.line()).toMatch(/^250 /);
    const closed = made.listener.close(10_000, 5000);
    expect(await used.line()).toMatch(/^421 4\.3\.2 /);
    await upToData(fresh);
    fresh.send("x\r\n.\r\n");
    expect(await fresh.line()).toMatch(/^250 /);
    expect(await fresh.line()).toMatch(/^421 4\.3\.2 /);
    await closed;
    expect(made.received).toHaveLength(2);
  });

  test("who was accepted in the moment of a lenient stop is served, else sent away", async () => {
    for (const firstMs of [5000, 0]) {
      const made = await start();
      let closed = Promise.resolve();
      let over = false;
      const stop = (): void => {
        unsubscribe("net.server.socket", stop);
        closed = made.listener.close(10_000, firstMs);
        void closed.then(() => (over = true));
      };
      subscribe("net.server.socket", stop);
      const late = await made.talk();
      if (firstMs === 0) expect(await late.line()).toMatch(/^421 4\.3\.2 /);
      else {
        await upToData(late);
        late.send("x\r\n.\r\n");
        expect(await late.line()).toMatch(/^250 /);
        expect(over).toBe(false);
        expect(await late.line()).toMatch(/^421 4\.3\.2 /);
      }
      expect(await late.line()).toBeNull();
      await closed;
      expect(made.listener.connections).toBe(0);
    }
  });

  test("a session that begins nothing in that time is sent away", async () => {
    const made = await start();
    const fresh = await made.talk();
    await fresh.reply();
    const closed = made.listener.close(10_000, 20);
    expect(await fresh.line()).toMatch(/^421 4\.3\.2 /);
    await closed;
  });

  test("after the grace time the rest is cut off with 421 and the handler sees it", async () => {
    const { called, answer, message } = held();
    const made = await start({}, { message });
    const talker = await made.talk();
    await upToData(talker);
    talker.send("x\r\n.\r\n");
    const { gone } = await called;
    const closed = made.listener.close(20);
    expect(await talker.line()).toMatch(/^421 4\.3\.2 /);
    await once(gone, "abort");
    answer([ok("late")]);
    await closed;
    expect(made.ended).toEqual(["a"]);
  });

  test("a taken port is the system's error", async () => {
    const first = await start();
    const second = await rig();
    await second.listener.close(0);
    await expect(second.listener.listen(first.where)).rejects.toThrow(/EADDRINUSE/);
    await second.close();
  });
});
