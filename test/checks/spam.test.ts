// The spam check: what spamd is sent, what its answer becomes, and when it is not asked at all.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { autolearnOf, spam, type SpamMeans } from "../../src/checks/spam.ts";
import { firstOctets, scorerCopy } from "../../src/checks/spam-copy.ts";
import { failure, type SpamdScored } from "../../src/clients/spamd-reply.ts";
import { oneBuffer } from "../../src/engine/report.ts";
import { headerEnd } from "../../src/mail/header.ts";
import type { Body, Message } from "../../src/mail/message.ts";
import { decide } from "../../src/verdict/decide.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import type { Policy } from "../../src/verdict/policy.ts";
import { message, type MessageFacts } from "../fakes/message.ts";

const SIGNAL = new AbortController().signal;
const FACTS = {
  hostname: "filter.example",
  product: "postern",
  mtaNames: new Set(["mx.example.com"]),
};
const CLIENT = {
  ADDR: "192.0.2.7",
  NAME: "mail.sender.example",
  HELO: "mail.sender.example",
  PROTO: "ESMTP",
};
const POSTFIX =
  "Received: from mail.sender.example (mail.sender.example [192.0.2.7])\r\n\tby mx.example.com (Postfix) with ESMTP\r\n\tfor <user@example.net>; Sat, 21 Nov 2026 16:30:45 +0000 (UTC)\r\n";

const mail = (
  facts: MessageFacts & { readonly xforward?: Record<string, string> } = {},
): Message => {
  const made = message(facts);
  const xforward = new Map(Object.entries(facts.xforward ?? CLIENT));
  return { ...made, envelope: { ...made.envelope, xforward } };
};
const text = async (body: Body): Promise<string> => {
  const pieces: Buffer[] = [];
  for await (const piece of body.open()) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
};
const copyOf = (facts: Parameters<typeof mail>[0], findings: readonly Finding[] = []) =>
  text(scorerCopy(mail(facts), findings, FACTS));

const scored = (over: Partial<SpamdScored>): SpamdScored => ({
  kind: "scored",
  total: 3.1,
  required: 5,
  rules: [],
  exact: false,
  autolearn: null,
  ...over,
});

interface Asked {
  body: string;
  user: string | null;
}
function rig(answer: Partial<SpamdScored> | string, over: Partial<SpamMeans> = {}) {
  const asked: Asked[] = [];
  const means: SpamMeans = {
    ...FACTS,
    maxSize: 500 * 1024,
    oversize: "truncate",
    user: "",
    proofs: null,
    scorer: {
      async score(body, { user }) {
        asked.push({ body: await text(body), user });
        expect(Buffer.byteLength(asked.at(-1)?.body ?? "", "latin1")).toBe(body.size);
        if (typeof answer === "string") return failure("silent", answer);
        return { ...scored(answer), by: "unix:/run/spamd.sock", partial: null };
      },
    },
    ...over,
  };
  const run = (of: Message = mail()) => spam(means).run(of, { findings: [], signal: SIGNAL });
  return { asked, run };
}
const brief = (findings: readonly Finding[]) =>
  findings.map(
    ({ symbol, category, score, foreign }) => `${foreign ?? ""} ${symbol} ${category} ${score}`,
  );
const sum = (findings: readonly Finding[]) =>
  decide(findings, { killLevel: Infinity, tag2Level: Infinity } as Policy).score;

describe("the copy that spamd gets", () => {
  test("has the envelope and the client's hop in front, in forms that SpamAssassin reads", async () => {
    const copy = await copyOf({ header: "Subject: x\r\n\r\n" });
    expect(copy.split("\r\n")).toEqual([
      "Return-Path: <a@example.org>",
      "X-Envelope-To: user@example.net",
      "Received: from mail.sender.example (mail.sender.example [192.0.2.7])",
      " by filter.example (postern) with ESMTP",
      " id AAAAAAAAAAAA;",
      expect.stringMatching(/^ Thu, 1 Jan 1970 00:00:00 \+0000/) as string,
      "Subject: x",
      "",
      "",
    ]);
  });

  test("has no second hop where the MTA has written its own line", async () => {
    const copy = await copyOf({ header: `${POSTFIX}Subject: x\r\n\r\n` });
    expect(copy.match(/^Received:/gm)).toHaveLength(1);
    expect(copy).toContain(POSTFIX);
  });

  test.each<[string, Record<string, string>]>([
    ["another address", { ...CLIENT, ADDR: "192.0.2.8" }],
    ["another name", { ...CLIENT, NAME: "evil.example" }],
    ["no name", { ADDR: CLIENT.ADDR, HELO: CLIENT.HELO }],
    ["another greeting", { ...CLIENT, HELO: "localhost" }],
  ])("a line in our MTA's name that tells of %s is not taken for it", async (_what, xforward) => {
    const copy = await copyOf({ header: `${POSTFIX}Subject: x\r\n\r\n`, xforward });
    expect(copy.match(/^Received:/gm)).toHaveLength(2);
    expect(copy).toMatch(
      new RegExp(
        `^Received: from ${xforward["HELO"]} \\(${xforward["NAME"] ?? "unknown"} \\[`,
        "m",
      ),
    );
  });

  test.each([
    [
      "IPv6",
      { ...CLIENT, ADDR: "IPv6:2001:db8::1" },
      "inbound",
      /\[IPv6:2001:db8::1\]\)\r\n .* with ESMTP\r\n/,
    ],
    [
      "no facts but the address",
      { ADDR: "192.0.2.7" },
      "inbound",
      /from unknown \(unknown \[192\.0\.2\.7\]\)\r\n .* with SMTP\r\n/,
    ],
    ["our own user", CLIENT, "outbound", / with ESMTPA\r\n/],
    ["our own user over TLS", { ...CLIENT, PROTO: "ESMTPS" }, "outbound", / with ESMTPSA\r\n/],
    ["a protocol nobody knows", { ...CLIENT, PROTO: "X\r\nY: z" }, "inbound", / with SMTP\r\n/],
  ] as const)("the hop of a client with %s", async (_what, xforward, origin, expected) => {
    expect(await copyOf({ xforward: { ...xforward }, origin })).toMatch(expected);
  });

  test("no hop when the client is not known", async () => {
    expect(await copyOf({ xforward: {} })).not.toContain("Received:");
  });

  test("carries our hints, and nothing that the sender forged in their place", async () => {
    const findings: Finding[] = [
      {
        check: "dnsxl",
        symbol: "BL",
        category: "note",
        score: 1,
        detail: "192.0.2.7 is listed by bl.test (127.0.0.2): \r\nX-Evil: 1",
      },
      {
        check: "greylist",
        symbol: "GREYLIST_DELAYED",
        category: "note",
        score: 0,
        detail: "delayed 312 seconds",
      },
    ];
    const header =
      "X-Spam-Status: No\r\nReturn-Path: <forged@example.org>\r\nX-RBL-Warning: forged\r\nX-Greylist: forged\r\n" +
      "X-Envelope-From: <forged@example.org>\r\nEnvelope-Sender: forged\r\nX-Envelope-To: forged\r\nX-Spam-Flag: NO\r\nSubject: x\r\n\r\n";
    for (const origin of ["inbound", "outbound"] as const) {
      const copy = await copyOf({ header, origin }, findings);
      expect(copy).not.toMatch(/forged|X-Spam|^X-Evil/m);
      expect(copy).toMatch(/^X-RBL-Warning: 192\.0\.2\.7 is listed by bl\.test/m);
      expect(copy).toMatch(/^X-Greylist: delayed 312 seconds\r$/m);
      expect(copy.indexOf("Return-Path:")).toBe(0);
      expect(copy.endsWith("\r\nSubject: x\r\n\r\n")).toBe(true);
    }
  });

  test("the null sender, and addresses that are not ASCII", async () => {
    expect(await copyOf({ sender: "" })).toMatch(/^Return-Path: <>\r\n/);
    expect(
      await copyOf({ sender: "jürgen@example.org", recipients: ["ü@example.net"] }),
    ).not.toMatch(/Return-Path|X-Envelope-To/);
    const many = Array.from({ length: 80 }, (_, i) => `u${i}@example.net`);
    expect((await copyOf({ recipients: many })).match(/@example\.net/g)).toHaveLength(50);
  });

  test("whatever the facts are, the header stays one: our lines, then the message as it came", async () => {
    const noise = fc.string({ unit: "binary", maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(noise, noise, noise, noise, async (helo, name, proto, hint) => {
        const finding: Finding = {
          check: "greylist",
          symbol: "GREYLIST_DELAYED",
          category: "note",
          score: 0,
          detail: hint,
        };
        const copy = await copyOf(
          { xforward: { ADDR: "192.0.2.7", HELO: helo, NAME: name, PROTO: proto } },
          [finding],
        );
        const [head = ""] = copy.split("Subject: test\r\n\r\n");
        expect(head).toMatch(/^(?:[A-Za-z-]+:[\x20-\x7e]*\r\n(?: [\x20-\x7e]*\r\n)*)+$/);
        expect(copy.endsWith("Subject: test\r\n\r\n")).toBe(true);
      }),
    );
  });
});

describe("a message over max_size", () => {
  const large = (header = "Subject: x\r\n"): Message => {
    const octets = Buffer.from(`${header}\r\n${"0123456789\r\n".repeat(50_000)}`, "latin1");
    return { ...mail({ header: `${header}\r\n` }), body: oneBuffer(octets) };
  };

  test("is cut behind a line, and that is said", async () => {
    const { asked, run } = rig({ rules: [{ name: "A", score: 3.1 }] }, { maxSize: 10_000 });
    const found = await run(large());
    const sent = asked[0]?.body ?? "";
    expect(sent.length).toBeGreaterThan(9_900);
    expect(sent.length).toBeLessThanOrEqual(10_000);
    expect(sent.endsWith("0123456789\r\n")).toBe(true);
    expect(found.at(-1)).toMatchObject({
      symbol: "SPAM_TRUNCATED",
      category: "note",
      detail: `the first ${sent.length} of 600014 octets were scored`,
    });
  });

  test("with skip is not scored, and counts as unchecked", async () => {
    const { asked, run } = rig({}, { maxSize: 10_000, oversize: "skip" });
    expect(await run(large())).toMatchObject([
      {
        symbol: "UNCHECKED_SPAM",
        category: "unchecked",
        detail: "600014 octets are more than max_size 10000",
      },
    ]);
    expect(asked).toEqual([]);
  });

  test("is a valid message wherever it is cut", async () => {
    const whole = Buffer.from(`Subject: x\r\nTo: y\r\n\r\n${"line\r\n".repeat(5)}`);
    for (let max = 1; max <= whole.length; max++) {
      const cut = await firstOctets(oneBuffer(whole), max);
      const octets = Buffer.from(await text(cut), "latin1");
      expect(octets).toHaveLength(cut.size);
      expect(cut.size).toBeLessThanOrEqual(max + 2);
      expect(headerEnd(octets)).toBeGreaterThan(0);
    }
  });

  test("is read from a lent buffer, and no further than needed", async () => {
    let read = 0;
    const buffer = Buffer.alloc(1000);
    const body: Body = {
      size: 1_000_000,
      bytes: null,
      open: () => {
        throw new Error("lend() is enough");
      },
      async *lend() {
        for (; read < 1_000_000; read += 1000) yield buffer.fill(`${String(read).padStart(8)}\r\n`);
      },
    };
    const cut = await firstOctets(body, 2500);
    expect(read).toBeLessThan(4000);
    expect((await text(cut)).slice(0, 30)).toBe("       0\r\n       0\r\n       0\r\n");
    expect((await text(cut)).slice(1000, 1010)).toBe("    1000\r\n");
  });
});

describe("the answer", () => {
  test("rounded points: the rest makes up for what the tenths lose", async () => {
    const found = await rig({
      total: 3.1,
      rules: [
        { name: "DRUGS_ERECTILE", score: 1.8 },
        { name: "MSGID_SHORT", score: 0 },
        { name: "RCVD_ILLEGAL_IP", score: 1.2 },
      ],
    }).run();
    expect(brief(found)).toEqual([
      " SPAM_SCORED spam 0",
      "spamd DRUGS_ERECTILE spam 1.8",
      "spamd MSGID_SHORT spam 0",
      "spamd RCVD_ILLEGAL_IP spam 1.2",
      "spamd SPAMD_REST spam 0.1",
    ]);
    expect(found[0]?.detail).toBe("3.1 points (5 are spam to it) by unix:/run/spamd.sock");
    expect(sum(found)).toBe(3.1);
  });

  test("exact points stand as they are", async () => {
    const rules = [
      { name: "DRUGS_ERECTILE", score: 1.778 },
      { name: "MSGID_SHORT", score: 0.001 },
    ];
    expect(sum(await rig({ total: 1.8, rules, exact: true }).run())).toBe(1.779);
    // It writes 4.9 for what is just below its threshold.
    expect(
      sum(await rig({ total: 4.9, rules: [{ name: "A", score: 4.999 }], exact: true }).run()),
    ).toBe(4.999);
    expect(sum(await rig({ total: 9.9, rules, exact: true }).run())).toBe(9.9);
  });

  test("whatever the rules, the sum is what spamd said", async () => {
    const score = fc.integer({ min: -1000, max: 1000 }).map((tenths) => tenths / 10);
    await fc.assert(
      fc.asyncProperty(score, fc.array(score, { maxLength: 30 }), async (total, scores) => {
        const rules = scores.map((points, i) => ({ name: `R${i}`, score: points }));
        expect(sum(await rig({ total, rules }).run())).toBeCloseTo(total, 6);
      }),
    );
  });

  test("a total without rules is one finding", async () => {
    expect(brief(await rig({ total: 7.2 }).run())).toEqual([
      " SPAM_SCORED spam 0",
      "spamd SPAMD_REST spam 7.2",
    ]);
    expect(brief(await rig({ total: 0 }).run())).toEqual([" SPAM_SCORED spam 0"]);
  });

  test("autolearn is told when it is known", async () => {
    const words = "autolearn=no autolearn_force=no";
    expect(autolearnOf(await rig({ autolearn: words }).run())).toBe(words);
    expect(autolearnOf(await rig({}).run())).toBe("autolearn=unavailable");
    expect(autolearnOf([])).toBeNull();
  });

  test("none is an error that names who was asked", async () => {
    await expect(rig("unix:/run/spamd.sock: no answer within 5 ms").run()).rejects.toThrow(
      "unix:/run/spamd.sock: no answer within 5 ms",
    );
  });
});

test.each<[string, readonly string[], string | null]>([
  ["", ["a@example.net"], null],
  ["filter", ["a@example.net"], "filter"],
  ["recipient", ["a@example.net"], "a@example.net"],
  ["recipient", ["a@example.net", "a@example.net"], "a@example.net"],
  ["recipient", ["a@example.net", "b@example.net"], null],
])("user = %j with %j asks as %j", async (user, recipients, expected) => {
  const { asked, run } = rig({}, { user });
  await run(mail({ recipients }));
  expect(asked[0]?.user).toBe(expected);
});
