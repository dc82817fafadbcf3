import { createRequire } from "node:module";
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import { auth } from "../../src/checks/auth.ts";
import { provenBy } from "../../src/checks/auth-results.ts";
import { keyRecord } from "../../src/cli/dkim.ts";
import { dkimSignatures } from "../../src/mail/dkim-sign.ts";
import type { Message } from "../../src/mail/message.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { answering, dnsError, type AnsweringResolver, type Answers } from "../fakes/dns-answers.ts";
import { message, type MessageFacts } from "../fakes/message.ts";

const { sealMessage } = createRequire(import.meta.url)("mailauth/lib/arc/index.js") as {
  readonly sealMessage: (input: Buffer, seal: object) => Promise<Buffer>;
};

const compiled = compileRules(new Map(), { modes: [], hasOutgoing: false });
if ("errors" in compiled) throw new Error("an empty ruleset must compile");
const rules = compiled.ok;
const never = new AbortController().signal;

/** A message of these octets. */
function mail(octets: string | Buffer, facts: MessageFacts = {}): Message {
  const all = Buffer.from(octets);
  const base = message({
    ...facts,
    header: all.toString("latin1").split("\r\n\r\n")[0] + "\r\n\r\n",
  });
  const open = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < all.length; at += 65_536) yield all.subarray(at, at + 65_536);
  };
  return { ...base, body: { size: all.length, bytes: null, open } };
}

async function details(
  of: Message,
  resolver: AnsweringResolver,
  deadlineMs = 5_000,
): Promise<string[]> {
  const found = await auth(rules, resolver, deadlineMs).run(of, { findings: [], signal: never });
  for (const { category, score } of found) expect([category, score]).toEqual(["note", 0]);
  return found.map(({ symbol, detail }) => `${symbol}: ${detail}`);
}

const symbols = async (...args: Parameters<typeof details>): Promise<string[]> =>
  (await details(...args)).map((text) => text.split(":")[0] ?? "");

/** RFC 8463 appendix A. */
const RFC_8463 = `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
`.replaceAll("\n", "\r\n");
const RFC_KEYS = {
  "TXT brisbane._domainkey.football.example.com": [
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
  ],
  "TXT test._domainkey.football.example.com": [
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
  ],
};
const FROM_FOOTBALL = { sender: "joe@football.example.com" };

describe("DKIM", () => {
  it("passes the example of RFC 8463, both algorithms", async () => {
    expect(await details(mail(RFC_8463, FROM_FOOTBALL), answering(RFC_KEYS))).toEqual([
      'DKIM_PASS: dkim=pass header.d=football.example.com header.s=brisbane header.a=ed25519-sha256 header.b="/gCrinpc"',
      "DKIM_PASS: dkim=pass header.d=football.example.com header.s=test header.a=rsa-sha256 header.b=F45dVWDf",
      "DMARC_NONE: dmarc=none header.from=football.example.com",
    ]);
  });

  const ED = "TXT brisbane._domainkey.football.example.com";
  const RSA = "TXT test._domainkey.football.example.com";
  test.each<[string, Answers | ((text: string) => string), string]>([
    ["a changed body", (text) => text.replace("lost", "won"), "FAIL FAIL"],
    ["a changed header", (text) => text.replace("dinner", "supper"), "FAIL FAIL"],
    ["no keys", {}, "PERMERROR PERMERROR"],
    [
      "one key revoked, one SERVFAIL",
      { [ED]: ["v=DKIM1; k=ed25519; p="], [RSA]: dnsError("ESERVFAIL") },
      "PERMERROR TEMPERROR",
    ],
    ["keys that never come", { [ED]: "never", [RSA]: "never" }, "TEMPERROR TEMPERROR"],
    [
      "keys of each other's kind",
      { [ED]: RFC_KEYS[RSA], [RSA]: RFC_KEYS[ED] },
      "PERMERROR PERMERROR",
    ],
    [
      "garbage for keys",
      { [ED]: ["v=DKIM1; p=%%%"], [RSA]: ["x".repeat(20_000)] },
      "PERMERROR PERMERROR",
    ],
    [
      "huge keys",
      { [ED]: [`v=DKIM1; p=${"A".repeat(60_000)}`], [RSA]: RFC_KEYS[RSA] },
      "TEMPERROR PASS",
    ],
    [
      "no From in h=",
      (text) => text.replaceAll(/h=from|: from/g, (m) => m.replace("from", "x")),
      "NEUTRAL NEUTRAL",
    ],
    ["rsa-sha1", (text) => text.replace("rsa-sha256", "rsa-sha1"), "PASS FAIL"],
    ["an unknown algorithm", (text) => text.replace("rsa-sha256", "rot-13"), "PASS NEUTRAL"],
    ["no domain in d=", (text) => text.replaceAll(/ d=\S+;/g, " d=;"), "NEUTRAL NEUTRAL"],
  ])("%s", async (_, change, expected) => {
    const text = typeof change === "function" ? change(RFC_8463) : RFC_8463;
    const resolver = answering(typeof change === "function" ? RFC_KEYS : change);
    const found = await symbols(mail(text, FROM_FOOTBALL), resolver, 150);
    const words = found.filter((name) => name.startsWith("DKIM_")).map((name) => name.slice(5));
    expect(words.join(" ")).toBe(expected);
  });

  it("calls text behind l= not signed", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const { dkimSign } = createRequire(import.meta.url)("mailauth/lib/dkim/sign.js") as {
      readonly dkimSign: (input: Buffer, options: object) => Promise<{ signatures: string }>;
    };
    const text = Buffer.from("From: a@example.com\r\n\r\nhello\r\n");
    const { signatures } = await dkimSign(text, {
      signatureData: [
        {
          signingDomain: "example.com",
          selector: "s",
          privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
          maxBodyLength: 7,
        },
      ],
    });
    expect(signatures).toContain("l=7");
    const resolver = answering({ "TXT s._domainkey.example.com": [keyRecord(privateKey)] });
    expect(await symbols(mail(signatures + text.toString()), resolver)).toContain("DKIM_PASS");
    const longer = mail(`${signatures}${text.toString()}more\r\n`);
    expect((await details(longer, resolver))[0]).toMatch(
      /^DKIM_POLICY: dkim=policy \(6 octets not signed\)/,
    );
  });
});

describe("DMARC", () => {
  const SPF = { "TXT mail.example.com": ["v=spf1 ip4:192.0.2.7 -all"] };
  const run = (record: string | Error, from: string, client: string | null = "192.0.2.7") =>
    symbols(
      mail(`From: ${from}\r\n\r\nx\r\n`, {
        sender: "b@mail.example.com",
        client: { address: client },
      }),
      answering({
        ...SPF,
        "TXT _dmarc.example.com":
          typeof record === "string" && record !== "never" ? [record] : (record as Error),
        "TXT _dmarc.mail.example.com": [],
      }),
      150,
    ).then((found) => found.find((name) => name.startsWith("DMARC_")) ?? "");

  test.each([
    ["v=DMARC1; p=reject", "a@example.com", "DMARC_PASS"],
    ["v=DMARC1; p=reject; aspf=s", "a@example.com", "DMARC_FAIL_REJECT"],
    ["v=DMARC1; p=reject; aspf=s", "a@mail.example.com", "DMARC_PASS"],
    ["v=DMARC1; p=quarantine; aspf=s", "a@example.com", "DMARC_FAIL_QUARANTINE"],
    ["v=DMARC1; p=none; aspf=s", "a@example.com", "DMARC_FAIL"],
    ["v=DMARC1; p=reject", "a@example.org", "DMARC_NONE"],
    ["v=spf1 -all", "a@example.com", "DMARC_NONE"],
    ["v=DMARC1; p=reject", "a@example.com, b@example.org", "DMARC_PERMERROR"],
    ["v=DMARC1; p=reject", "nobody", "DMARC_PERMERROR"],
    ["v=DMARC1; p=reject", "a@example.com\r\nFrom: b@example.com", "DMARC_PERMERROR"],
  ])("%s, From: %s → %s", async (record, from, expected) => {
    expect(await run(record, from)).toBe(expected);
  });

  test.each<[Error | "never"]>([[dnsError("ESERVFAIL")], [dnsError("ETIMEOUT")], ["never"]])(
    "%s is a temperror",
    async (failure) => {
      expect(await run(failure, "a@example.com")).toBe("DMARC_TEMPERROR");
    },
  );

  it("claims no failure when the client, and so SPF, is unknown", async () => {
    expect(await run("v=DMARC1; p=reject", "a@example.com", null)).toBe("");
  });
});

describe("ARC", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const seal = {
    signingDomain: "list.example",
    selector: "arc",
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
    cv: "none",
    authResults: "list.example; dkim=pass header.d=football.example.com",
  };
  const resolver = answering({ "TXT arc._domainkey.list.example": [keyRecord(privateKey)] });

  it("passes a chain, and fails it when the message changed", async () => {
    const text = Buffer.from("From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n");
    const sealed = (await sealMessage(text, seal)).toString() + text.toString();
    expect(await details(mail(sealed), resolver)).toContain(
      "ARC_PASS: arc=pass (i=1 list.example)",
    );
    const changed = sealed.replace("hello", "hallo");
    expect((await details(mail(changed), resolver)).at(-1)).toMatch(
      /^ARC_FAIL: arc=fail \(i=1 list\.example /,
    );
    const twice = sealed.replace("ARC-Seal:", "ARC-Seal: i=1; a=b\r\nARC-Seal:");
    expect(await symbols(mail(twice), resolver)).toContain("ARC_FAIL");
  });
});

describe("hostile messages", () => {
  const sig = (h: string): string =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=${h}; bh=x; b=AAAA\r\n`;
  const long = "x".repeat(300_000);
  test.each<[string, string, string]>([
    ["500 signatures", `${sig("from").repeat(500)}From: a@x.example\r\n\r\nx\r\n`, "DKIM_POLICY"],
    ["100 signatures", `${sig("from").repeat(100)}From: a@x.example\r\n\r\nx\r\n`, "DKIM_FAIL"],
    [
      "3,000 names in h=",
      `${sig("a:".repeat(3_000) + "from")}From: a@x.example\r\n\r\nx\r\n`,
      "DKIM_NEUTRAL",
    ],
    ["a signature of 300 KB", `${sig(long)}From: a@x.example\r\n\r\nx\r\n`, "DKIM_POLICY"],
    ["a From of 100 KB", `${sig("from")}From: ${"(((".repeat(33_000)}\r\n\r\nx\r\n`, "DKIM_POLICY"],
    [
      "4,000 fields",
      `${sig("from")}${"A: b\r\n".repeat(4_000)}From: a@x.example\r\n\r\n`,
      "DKIM_POLICY",
    ],
    [
      "80,000 lines that are no fields",
      `${sig("from")}From: a@x.example\r\n${"x\r\n".repeat(80_000)}\r\n`,
      "DKIM_POLICY",
    ],
    [
      "a line of 20 MB",
      `${sig("from")}From: a@x.example\r\n\r\n${"a b".repeat(7_000_000)}`,
      "DKIM_FAIL",
    ],
    [
      "200 ARC sets",
      `${"ARC-Seal: i=1; a=b\r\n".repeat(200)}From: a@x.example\r\n\r\n`,
      "DKIM_NONE",
    ],
  ])("%s: an answer, soon, without holding others up", async (_, text, expected) => {
    let longest = 0;
    let last = performance.now();
    const ticks = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const of = mail(text);
    last = performance.now();
    const found = await symbols(of, answering({}));
    clearInterval(ticks);
    expect(found).toContain(expected);
    expect(found.filter((name) => name.startsWith("DKIM_")).length).toBeLessThanOrEqual(10);
    // Far above the few milliseconds that a step takes, far below what quadratic time would.
    expect(longest).toBeLessThan(400);
  });

  it("bounds the questions one message can ask", async () => {
    const many = Array.from(
      { length: 60 },
      (_, i) =>
        `DKIM-Signature: v=1; a=rsa-sha256; d=d${i}.example; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; c=relaxed/relaxed; b=AAAA\r\n`,
    );
    const resolver = answering({});
    await details(mail(`${many.join("")}From: a@x.example\r\n\r\n`), resolver);
    expect(resolver.asked.filter((question) => question.includes("_domainkey"))).toHaveLength(10);
  });

  it("lets nothing of a message look like a proof", async () => {
    const text = `DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s="s (dkim=pass) header.d=bank.example"; h=from; bh=x; b=A\r\nFrom: a@x.example\r\n\r\nx\r\n`;
    const found = await auth(rules, answering({})).run(mail(text), { findings: [], signal: never });
    expect(provenBy(found)).toEqual({ spf: [], dkim: [], dmarc: [] });
  });
});

it("asks nothing about outbound mail", async () => {
  const resolver = answering({});
  expect(await details(mail(RFC_8463, { origin: "outbound" }), resolver)).toEqual([]);
  expect(resolver.asked).toEqual([]);
});

it("reads what our own signer writes, beside a good one of another", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const body = mail(RFC_8463).body;
  const lines = await dkimSignatures(
    body,
    [{ domain: "fwd.example", selector: "k", key: privateKey }],
    new Date(),
  );
  const all = answering({ ...RFC_KEYS, "TXT k._domainkey.fwd.example": [keyRecord(privateKey)] });
  const found = await auth(rules, all).run(mail(`${lines.join("\r\n")}\r\n${RFC_8463}`), {
    findings: [],
    signal: never,
  });
  expect(provenBy(found).dkim).toEqual([
    "fwd.example",
    "football.example.com",
    "football.example.com",
  ]);
});
