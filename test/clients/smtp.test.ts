import { describe, expect, test } from "vitest";
import { replyLine } from "../../src/mail/reply.ts";
import { parseNextHop, type NextHop } from "../../src/clients/next-hop.ts";
import { smtpDestination } from "../../src/clients/smtp.ts";
import { copyOf, MESSAGE, octets, rcpt } from "../fakes/copy.ts";
import {
  ALL_EXTENSIONS,
  CLOSE,
  nextHop,
  type Answer,
  type NextHopOptions,
} from "../fakes/next-hop.ts";
import { NEVER, rig, send } from "./smtp-rig.ts";

const A = rcpt("a@example.net");
const B = rcpt("b@example.net");
const C = rcpt("c@example.net");

describe("what goes out", () => {
  test("everything up to DATA in one packet, body and dot in the next", async () => {
    const { server, to } = await rig();
    const copy = copyOf({ xforward: new Map([["ADDR", "192.0.2.1"]]) });
    await send(to, copy, [A, B]);
    expect(server.packets.map((packet) => packet.text)).toEqual([
      "EHLO postern.example\r\n",
      "XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=[UNAVAILABLE] PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE] IDENT=[UNAVAILABLE] SOURCE=[UNAVAILABLE]\r\n" +
        `MAIL FROM:<from@example.org> SIZE=${MESSAGE.length}\r\nRCPT TO:<a@example.net>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n`,
      "Subject: hello\r\n\r\nbody\r\n..dot\r\n...\r\n.\r\n",
    ]);
  });

  test("one command at a time without PIPELINING", async () => {
    const { server, to } = await rig({ extensions: [] });
    await send(to, copyOf(), [A, B]);
    expect(server.packets.map((packet) => packet.text).slice(1, 5)).toEqual([
      "MAIL FROM:<from@example.org>\r\n",
      "RCPT TO:<a@example.net>\r\n",
      "RCPT TO:<b@example.net>\r\n",
      "DATA\r\n",
    ]);
  });

  test("HELO when EHLO is unknown", async () => {
    const { server, to } = await rig({
      helo: (line) => (line.startsWith("EHLO") ? "502 5.5.1 What?" : "250 old.example"),
    });
    await send(to, copyOf(), [A]);
    expect(server.delivered).toHaveLength(1);
    expect(server.delivered[0]?.mail).toBe("MAIL FROM:<from@example.org>");
  });

  test.each([
    ["as it is", MESSAGE, MESSAGE],
    ["without a last line end", "Subject: x\r\n\r\nx", "Subject: x\r\n\r\nx\r\n"],
    ["empty", "", ""],
    ["a lone dot", ".", ".\r\n"],
    ["a lone dot line", ".\r\n", ".\r\n"],
    ["ending in CR", "x\r", "x\r\r\n"],
    ["8 bit", "Subject: \u00e4\r\n\r\n\u20ac\r\n", "Subject: \u00e4\r\n\r\n\u20ac\r\n"],
  ])("a message %s, in pieces of any size", async (_, sent, arrived) => {
    const { server, to } = await rig();
    for (const piece of [1, 2, 3, 1000]) await send(to, copyOf({ body: octets(sent, piece) }), [A]);
    expect(server.delivered.map((one) => one.body.toString())).toEqual(
      [1, 2, 3, 4].map(() => arrived),
    );
  });

  test("addresses octet for octet", async () => {
    const { server, to } = await rig();
    const odd = [
      '"a b>c"@example.net',
      "@relay.example:a@example.net",
      "A..b@XN--EXMPLE-CUA.example",
      "\u00e4@example.net",
      "postmaster",
    ];
    await send(
      to,
      copyOf({ sender: null }),
      odd.map((raw) => rcpt(raw)),
    );
    expect(server.delivered[0]?.mail).toBe(`MAIL FROM:<> SIZE=${MESSAGE.length} SMTPUTF8`);
    expect(server.delivered[0]?.rcpts).toEqual(odd.map((raw) => `RCPT TO:<${raw}>`));
  });
});

describe("no command can be smuggled in", () => {
  const hostile = [
    "a@b\r\nRCPT TO:<x@y>",
    "a@b\n",
    "a\0@b",
    "a@b> NOTIFY=NEVER",
    "a@b>",
    '"a@b',
    'a"> X="@b',
    "a b@c",
  ];
  test.each(hostile.map((raw) => [JSON.stringify(raw), raw]))("recipient %s", async (_, raw) => {
    const { server, to } = await rig();
    const replies = await send(to, copyOf(), [rcpt(raw), A]);
    expect(replies[0]).toBe("553 5.1.3 id=00042-01 - Recipient address cannot be sent on");
    expect(replies[1]).toMatch(/^250 /);
    expect(server.delivered[0]?.commands.filter((line) => !/^(MAIL|DATA)/.test(line))).toEqual([
      "RCPT TO:<a@example.net>",
    ]);
  });

  test.each(hostile.map((raw) => [JSON.stringify(raw), raw]))("sender %s", async (_, raw) => {
    const { server, to } = await rig();
    const replies = await send(to, copyOf({ sender: rcpt(raw).address }), [A]);
    expect(replies).toEqual(["553 5.1.7 id=00042-01 - Sender address cannot be sent on"]);
    expect(server.transactions).toEqual([]);
  });

  test("parameters and XFORWARD values", async () => {
    const { server, to } = await rig();
    const copy = copyOf({
      senderParams: ["ENVID=x\r\nDATA", "RET=FULL\r\nDATA", "BODY=8BITMIME\r\nDATA"],
      xforward: new Map([["HELO", "x\r\nDATA\r\n"]]),
    });
    await send(to, copy, [rcpt("a@example.net", "NOTIFY=NEVER\r\nDATA", "ORCPT=rfc822;a\r\nDATA")]);
    expect(server.delivered[0]?.commands).toEqual([
      expect.stringContaining(" HELO=x+0D+0ADATA+0D+0A "),
      `MAIL FROM:<from@example.org> SIZE=${MESSAGE.length}`,
      "RCPT TO:<a@example.net>",
      "DATA",
    ]);
  });

  test("the EHLO name", () => {
    const to = parseNextHop("smtp:localhost:25") as NextHop;
    expect(() => smtpDestination({ nextHop: to, hostname: "a\r\nb" })).toThrow(/EHLO name/);
  });
});

describe("SMTPUTF8", () => {
  const without = ALL_EXTENSIONS.filter((one) => one !== "SMTPUTF8");
  const refusal = (mta: string): string =>
    `553 5.6.7 id=00042-01 - SMTPUTF8 is needed and not offered by MTA(${mta})`;

  test("only the recipient that needs it is refused", async () => {
    const { to, mta } = await rig({ extensions: without });
    const replies = await send(to, copyOf(), [rcpt("\u00e4@example.net"), A]);
    expect(replies).toEqual([refusal(mta), expect.stringMatching(/^250 /)]);
  });
  test.each([
    ["came with it", copyOf({ senderParams: ["SMTPUTF8"] })],
    ["has a sender that needs it", copyOf({ sender: rcpt("\u00e4@example.org").address })],
  ])("a message that %s is refused", async (_, copy) => {
    const { server, to, mta } = await rig({ extensions: without });
    expect(await send(to, copy, [A, B])).toEqual([refusal(mta), refusal(mta)]);
    expect(server.transactions).toEqual([]);
  });
});

interface Case {
  readonly script: NextHopOptions;
  /** MTA() is filled in; one line per recipient A, B, C. */
  readonly prepared: readonly string[];
  readonly finals?: readonly string[];
}

const REJECTED = "id=00042-01 - Rejected by next-hop MTA on relaying, from MTA(%)";
const LATER = "id=00042-01 - Temporary MTA failure on relaying, from MTA(%)";
const FAILED = "id=00042-01 - Temporary MTA failure on relaying, From MTA(%) during";
const OK_RCPT = "250 2.1.5 from MTA(%): 250 2.1.5 Ok";
const thrice = (line: string): string[] => [line, line, line];

const perRecipient = (line: string): Answer =>
  line.includes("<a@")
    ? "550 5.1.1 no such user"
    : line.includes("<b@")
      ? "452 4.5.3 Too many"
      : "250 2.1.5 Ok";

const cases: Readonly<Record<string, Case>> = {
  "MAIL refused for good": {
    script: { mail: "550 5.7.1 Go away" },
    prepared: thrice(`550 5.7.1 ${REJECTED}: 550 5.7.1 Go away`),
  },
  "MAIL refused for now": {
    script: { mail: "452 4.3.1 Insufficient storage" },
    prepared: thrice(`452 4.3.1 ${LATER}: 452 4.3.1 Insufficient storage`),
  },
  "some RCPT refused": {
    script: { rcpt: perRecipient, dot: "250 2.0.0 Ok" },
    prepared: [
      `550 5.1.1 ${REJECTED}: 550 5.1.1 no such user`,
      `452 4.5.3 ${LATER}: 452 4.5.3 Too many`,
      OK_RCPT,
    ],
    finals: [
      `550 5.1.1 ${REJECTED}: 550 5.1.1 no such user`,
      `452 4.5.3 ${LATER}: 452 4.5.3 Too many`,
      "250 2.0.0 from MTA(%): 250 2.0.0 Ok",
    ],
  },
  "all RCPT refused": {
    script: { rcpt: "550 No" },
    prepared: thrice(`550 5.0.0 ${REJECTED}: 550 No`),
  },
  "all RCPT refused, and 354 all the same": {
    script: { rcpt: "550 No", data: "354 Go on" },
    prepared: thrice(`550 5.0.0 ${REJECTED}: 550 No`),
  },
  "DATA refused after some RCPT": {
    script: { rcpt: perRecipient, data: "451 4.3.0 Not now" },
    prepared: [
      `550 5.1.1 ${REJECTED}: 550 5.1.1 no such user`,
      `452 4.5.3 ${LATER}: 452 4.5.3 Too many`,
      `451 4.3.0 ${LATER}: 451 4.3.0 Not now`,
    ],
  },
  "the message refused": {
    script: { dot: "554 5.7.1 Spam" },
    prepared: thrice(OK_RCPT),
    finals: thrice(`554 5.7.1 ${REJECTED}: 554 5.7.1 Spam`),
  },
  "DATA answered by 250": {
    script: { data: "250 Fine" },
    prepared: thrice(
      `451 4.5.0 ${FAILED} fwd-data-cmd (DATA answered by neither 354 nor a refusal): id=00042-01`,
    ),
  },
  "MAIL answered by 354": {
    script: { mail: "354 Go on" },
    prepared: thrice(`451 4.5.0 ${LATER}: 354 Go on`),
  },
};

describe.each(["PIPELINING", "one at a time"])("replies are handed on, %s", (how) => {
  const extensions = how === "PIPELINING" ? ALL_EXTENSIONS : ALL_EXTENSIONS.slice(1);
  test.each(Object.entries(cases))("%s", async (_, { script, prepared, finals = prepared }) => {
    const { server, to, mta } = await rig({ ...script, extensions });
    const fill = (lines: readonly string[]): string[] =>
      lines.map((line) => line.replaceAll("%", mta));
    const got = await to.prepare(copyOf(), [A, B, C], NEVER);
    expect(got.replies.map(replyLine)).toEqual(fill(prepared));
    expect((await got.commit()).map(replyLine)).toEqual(fill(finals));

    // Whatever happened, the next message is not disturbed by it.
    server.script({ mail: "250 Ok", rcpt: "250 Ok", data: "354 Go on", dot: "250 Ok" });
    expect((await send(to, copyOf(), [A]))[0]).toMatch(/^250 /);
    expect(server.transactions.filter((one) => one.complete && one.body.length === 0)).toEqual([]);
  });
});

describe("LMTP", () => {
  test("each accepted recipient has its own final reply, in order", async () => {
    const { to, mta } = await rig({
      protocol: "lmtp",
      rcpt: (line) => (line.includes("<b@") ? "550 5.1.1 no such user" : "250 2.1.5 Ok"),
      dot: (line) =>
        line.includes("<a@") ? "452 4.2.2 Over quota" : "250 2.0.0 <c@example.net> Saved",
    });
    const fill = (line: string): string => line.replaceAll("%", mta);
    expect(await send(to, copyOf(), [A, B, C, A])).toEqual([
      fill(`452 4.2.2 ${LATER}: 452 4.2.2 Over quota`),
      fill(`550 5.1.1 ${REJECTED}: 550 5.1.1 no such user`),
      fill("250 2.0.0 from MTA(%): 250 2.0.0 <c@example.net> Saved"),
      fill(`452 4.2.2 ${LATER}: 452 4.2.2 Over quota`),
    ]);
  });

  test("a close after the first final reply leaves that one standing", async () => {
    let asked = 0;
    const { to, events, mta } = await rig({
      protocol: "lmtp",
      dot: () => (asked++ === 0 ? "250 2.0.0 Saved" : CLOSE),
    });
    const lost =
      `451 4.4.2 ${FAILED} fwd-data-end (connection closed by the server): id=00042-01`.replace(
        "%",
        mta,
      );
    expect(await send(to, copyOf(), [A, B, C])).toEqual([
      `250 2.0.0 from MTA(${mta}): 250 2.0.0 Saved`,
      lost,
      lost,
    ]);
    expect(events.at(-1)).toMatchObject({ kind: "unknown", step: "fwd-data-end" });
  });
});

describe("abort", () => {
  test("after 354 nothing arrives, and the connection is given up", async () => {
    const { server, to } = await rig();
    const prepared = await to.prepare(copyOf(), [A], NEVER);
    await prepared.abort();
    await server.until(() => server.open === 0);
    expect(server.transactions.map((one) => one.complete)).toEqual([false]);
    await send(to, copyOf(), [A]);
    expect(server.connections).toBe(2);
  });

  test("of a large message too", async () => {
    const { server, to } = await rig();
    const prepared = await to.prepare(copyOf({ body: octets("x".repeat(1_000_000)) }), [A], NEVER);
    expect(prepared.replies[0]?.kind).toBe("ok");
    await prepared.abort();
    await server.until(() => server.open === 0);
    expect(server.delivered).toEqual([]);
  });

  test("where all recipients were refused the connection stays, and RSET comes first", async () => {
    const { server, to } = await rig({ rcpt: "550 No" });
    await (await to.prepare(copyOf(), [A], NEVER)).abort();
    server.script({ rcpt: "250 Ok" });
    await send(to, copyOf(), [A]);
    expect(server.connections).toBe(1);
    expect(server.delivered[0]?.commands).toContain("RSET");
  });

  test("commit and abort a second time change nothing", async () => {
    const { server, to } = await rig();
    const prepared = await to.prepare(copyOf(), [A], NEVER);
    const [first, second] = await Promise.all([prepared.commit(), prepared.commit()]);
    expect(second).toEqual(first);
    await prepared.abort();
    expect(server.delivered).toHaveLength(1);
  });
});

describe("what it knows of the next hop", () => {
  test("whether DSN is offered, once it was asked", async () => {
    const { server, to } = await rig();
    expect(to.offersDsn()).toBeNull();
    expect(await to.probe(NEVER)).toEqual({
      reachable: true,
      detail: "",
      extensions: [...ALL_EXTENSIONS],
    });
    expect(to.offersDsn()).toBe(true);
    await send(to, copyOf(), [A]);
    expect(server.connections).toBe(1);
  });

  test("that nobody is there", async () => {
    const gone = await nextHop();
    await gone.close();
    const hop = parseNextHop(gone.address) as NextHop;
    const to = smtpDestination({ nextHop: hop, hostname: "x" });
    const { reachable, detail } = await to.probe(NEVER);
    expect(reachable).toBe(false);
    expect(detail).toMatch(/^Can't connect to 127\.0\.0\.1 port \d+, ECONNREFUSED$/);
    const [reply = ""] = await send(to, copyOf(), [A]);
    expect(reply).toBe(
      `451 4.5.0 ${FAILED} fwd-connect (${detail}): id=00042-01`.replace("%", hop.name),
    );
    await to.close();
  });
});
