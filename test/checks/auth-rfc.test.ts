// Sender authentication on the messages and records that the RFCs print: RFC 6376 appendix A, RFC 7489 appendix B, RFC 8617
// appendix B. RFC 8463's message is in auth.test.ts, RFC 7208's records in auth-spf.test.ts.
import { createRequire } from "node:module";
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import { auth } from "../../src/checks/auth.ts";
import { keyRecord } from "../../src/cli/dkim.ts";
import { BodyHash } from "../../src/mail/dkim-body.ts";
import { dkimSignatures } from "../../src/mail/dkim-sign.ts";
import type { Message } from "../../src/mail/message.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { answering, type Answers } from "../fakes/dns-answers.ts";
import { message, type MessageFacts } from "../fakes/message.ts";

const { sealMessage } = createRequire(import.meta.url)("mailauth/lib/arc/index.js") as {
  readonly sealMessage: (input: Buffer, seal: object) => Promise<Buffer>;
};
const compiled = compileRules(new Map(), { modes: [], hasOutgoing: false });
if ("errors" in compiled) throw new Error("an empty ruleset must compile");
const rules = compiled.ok;

const crlf = (text: string): string => text.replaceAll("\n", "\r\n");

function mail(text: string, facts: MessageFacts = {}): Message {
  const all = Buffer.from(text);
  const base = message({ ...facts, header: `${text.split("\r\n\r\n")[0] ?? ""}\r\n\r\n` });
  const open = async function* (): AsyncGenerator<Buffer> {
    yield all;
  };
  return { ...base, body: { size: all.length, bytes: null, open } };
}

async function details(of: Message, records: Answers): Promise<string[]> {
  const signal = new AbortController().signal;
  const found = await auth(rules, answering(records)).run(of, { findings: [], signal });
  return found.map(({ symbol, detail }) => `${symbol}: ${detail}`);
}

const word = (found: readonly string[], method: string): string =>
  found.find((text) => text.startsWith(`${method}_`))?.split(":")[0] ?? "";

/** RFC 6376 A.2; the key is that of appendix C. */
const RFC_6376 = crlf(`DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
`);
const BRISBANE = {
  "TXT brisbane._domainkey.example.com": [
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
  ],
};

describe("RFC 6376 appendix A", () => {
  it("the signed message passes", async () => {
    expect(await details(mail(RFC_6376), BRISBANE)).toContain(
      "DKIM_PASS: dkim=pass header.d=example.com header.s=brisbane header.a=rsa-sha256 header.b=AuUoFEfD",
    );
  });

  test.each([
    ["a space more in the body (c=simple)", (text: string) => text.replace("game. ", "game.  ")],
    ["another folding of a signed field", (text: string) => text.replace("[192", "\r\n [192")],
    ["another letter in a field name", (text: string) => text.replace("\r\nTo:", "\r\nTO:")],
    ["another signer of the same key", (text: string) => text.replace("i=joe@", "i=jim@")],
  ])("fails with %s", async (_, change) => {
    expect(change(RFC_6376)).not.toBe(RFC_6376);
    expect(word(await details(mail(change(RFC_6376)), BRISBANE), "DKIM")).toBe("DKIM_FAIL");
  });
});

/** B.2.1 */
const MONITORED = "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com";

describe("RFC 7489 appendix B", () => {
  test.each([
    ["example 1", "sender@example.com", "sender@example.com", "DMARC_PASS", "DMARC_PASS"],
    ["example 2", "sender@child.example.com", "sender@example.com", "DMARC_PASS", "DMARC_FAIL"],
    ["example 3", "sender@example.net", "sender@child.example.com", "DMARC_FAIL", "DMARC_FAIL"],
  ])("B.1.1, SPF passes: %s, relaxed and strict", async (_, sender, from, relaxed, strict) => {
    const of = mail(`From: ${from}\r\nSubject: Subject\r\n\r\nx\r\n`, {
      sender,
      client: { address: "192.0.2.7" },
    });
    const spf = { [`TXT ${sender.slice(7)}`]: ["v=spf1 ip4:192.0.2.7 -all"] };
    const policy = (record: string) => ({ ...spf, "TXT _dmarc.example.com": [record] });
    expect(word(await details(of, policy(MONITORED)), "SPF")).toBe("SPF_PASS");
    expect(word(await details(of, policy(MONITORED)), "DMARC")).toBe(relaxed);
    expect(word(await details(of, policy(`${MONITORED}; aspf=s`)), "DMARC")).toBe(strict);
  });

  test.each([
    ["example 1", "example.com", "sender@example.com", "DMARC_PASS", "DMARC_PASS"],
    ["example 2", "example.com", "sender@child.example.com", "DMARC_PASS", "DMARC_FAIL"],
    ["example 3", "sample.net", "sender@child.example.com", "DMARC_FAIL", "DMARC_FAIL"],
  ])("B.1.2, DKIM passes: %s, relaxed and strict", async (_, domain, from, relaxed, strict) => {
    const { privateKey: key } = generateKeyPairSync("ed25519");
    const text = `From: ${from}\r\nSubject: here's a sample\r\n\r\nx\r\n`;
    const lines = await dkimSignatures(
      mail(text).body,
      [{ domain, selector: "s", key }],
      new Date(),
    );
    const of = mail(`${lines.join("\r\n")}\r\n${text}`, { client: { address: "192.0.2.7" } });
    const keys = { [`TXT s._domainkey.${domain}`]: [keyRecord(key)] };
    const policy = (record: string) => ({ ...keys, "TXT _dmarc.example.com": [record] });
    expect(word(await details(of, policy(MONITORED)), "DKIM")).toBe("DKIM_PASS");
    expect(word(await details(of, policy(MONITORED)), "DMARC")).toBe(relaxed);
    expect(word(await details(of, policy(`${MONITORED}; adkim=s`)), "DMARC")).toBe(strict);
  });

  const PARENT = "_dmarc.example.com";
  test.each([
    ["B.2.1", PARENT, MONITORED, "DMARC_FAIL"],
    ["B.2.2", PARENT, `${MONITORED}; ruf=mailto:auth-reports@example.com`, "DMARC_FAIL"],
    ["B.2.3", PARENT, `${MONITORED}; ruf=mailto:auth-reports@thirdparty.example.net`, "DMARC_FAIL"],
    [
      // What pct= says is for those who act on it; the finding names what the domain asks for.
      "B.2.4",
      "_dmarc.test.example.com",
      "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com, mailto:tld-test@thirdparty.example.net!10m; pct=25",
      "DMARC_FAIL_QUARANTINE",
    ],
    [
      "B.3.1",
      PARENT,
      "v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com",
      "DMARC_FAIL_REJECT",
    ],
  ])("%s, at %s: %s", async (_, name, record, expected) => {
    const of = mail("From: a@test.example.com\r\n\r\nx\r\n", {
      sender: "a@elsewhere.example",
      client: { address: "192.0.2.7" },
    });
    expect(word(await details(of, { [`TXT ${name}`]: [record] }), "DMARC")).toBe(expected);
  });
});

/** RFC 8617 appendix B without its Received fields, which nothing signs. The RFC prints no keys: nobody can verify it. */
const RFC_8617 = crlf(`Return-Path: <jqd@d1.example>
ARC-Seal: i=3; a=rsa-sha256; cv=pass; d=clochette.example.org; s=
        clochette; t=12345; b=CU87XzXlNlk5X/yW4l73UvPUcP9ivwYWxyBWcVrRs7
        +HPx3K05nJhny2fvymbReAmOA9GTH/y+k9kEc59hAKVg==
ARC-Message-Signature: i=3; a=rsa-sha256; c=relaxed/relaxed; d=
        clochette.example.org; h=message-id:date:from:to:subject; s=
        clochette; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZY
        LQ=; b=o71vwyLsK+Wm4cOSlirXoRwzEvi0vqIjd/2/GkYFYlSd/GGfKzkAgPqxf
        K7ccBMP7Zjb/mpeggswHjEMS8x5NQ==
ARC-Authentication-Results: i=3; clochette.example.org; spf=fail
    smtp.from=jqd@d1.example; dkim=fail (512-bit key)
    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,
    ams.2.gmail.example=pass, as.1.lists.example.org=pass,
    ams.1.lists.example.org=fail (message has been altered))
Authentication-Results: clochette.example.org; spf=fail
    smtp.from=jqd@d1.example; dkim=fail (512-bit key)
    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,
    ams.2.gmail.example=pass, as.1.lists.example.org=pass,
    ams.1.lists.example.org=fail (message has been altered))
ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=gmail.example; s=20120806; t=
        12345; b=Zpukh/kJL4Q7Kv391FKwTepgS56dgHIcdhhJZjsalhqkFIQQAJ4T9BE
        8jjLXWpRNuh81yqnT1/jHn086RwezGw==
ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed; d=
        gmail.example; h=message-id:date:from:to:subject; s=20120806; t=
        12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=; b=CVoG44
        cVZvoSs2mMig2wwqPaJ4OZS5XGMCegWqQs1wvRZJS894tJM0xO1RJLgCPsBOxdA5
        9WSqI9s9DfyKDfWg==
ARC-Authentication-Results: i=2; gmail.example; spf=fail
    smtp.from=jqd@d1.example; dkim=fail (512-bit key)
    header.i=@example.org; dmarc=fail; arc=pass
    (as.1.lists.example.org=pass, ams.1.lists.example.org=pass)
ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;
         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/
        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=
        lists.example.org; h=message-id:date:from:to:subject; s=
        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL
        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y
        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==
ARC-Authentication-Results: i=1; lists.example.org; spf=pass
    smtp.mfrom=jqd@d1.example; dkim=pass (512-bit key)
    header.i=@d1.example; dmarc=pass
DKIM-Signature: v=1; a=rsa-sha1; c=relaxed/relaxed; d=d1.example; h=
        message-id:date:from:to:subject; s=origin2015; bh=bIxxaeIQvmOBdT
        AitYfSNFgzPP4=; b=qKjd5fYibKXWWIcMKCgRYuo1vJ2fD+IAQPjX+uamXIGY2Q
        0HjQ+Lq3/yHzG3JHJp6780/nKQPOWt2UDJQrJkEA==
Message-ID: <54B84785.1060301@d1.example>
Date: Thu, 14 Jan 2015 15:00:01 -0800
From: John Q Doe <jqd@d1.example>
To: arc@dmarc.example
Subject: [List 2] Example 1

Hey gang,
This is a test message.
--J.
`);

describe("RFC 8617 appendix B", () => {
  it("is read as three sets of which the newest is clochette's; without keys it is no pass", async () => {
    const found = await details(mail(RFC_8617), {});
    expect(found.at(-1)).toMatch(/^ARC_FAIL: arc=fail \(i=3 clochette\.example\.org /);
    expect(found[0]).toMatch(/^DKIM_POLICY: dkim=policy \(weak algorithm\) header\.d=d1\.example /);
  });

  it("has the body hash that its three signatures name", async () => {
    const hash = new BodyHash("relaxed", "sha256", null);
    hash.update(Buffer.from(RFC_8617.slice(RFC_8617.indexOf("\r\n\r\n") + 4)));
    expect(RFC_8617.replace(/\s/g, "").split(`bh=${hash.digest()}`)).toHaveLength(4);
  });

  it("is no pass with keys that are not its own, of 512 bits as they were and of 1024", async () => {
    for (const modulusLength of [512, 1024]) {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength });
      const record = [keyRecord(privateKey)];
      const found = await details(mail(RFC_8617), {
        "TXT clochette._domainkey.clochette.example.org": record,
        "TXT 20120806._domainkey.gmail.example": record,
        "TXT dk-lists._domainkey.lists.example.org": record,
      });
      expect(word(found, "ARC")).toBe("ARC_FAIL");
    }
  });

  const keys = ["lists.example.org", "gmail.example", "clochette.example.org"].map((domain) => ({
    domain,
    ...generateKeyPairSync("rsa", { modulusLength: 2048 }),
  }));
  const records = Object.fromEntries(
    keys.map(({ domain, privateKey }) => [`TXT arc._domainkey.${domain}`, [keyRecord(privateKey)]]),
  );
  const seal = async (text: string, n: number, cv: string): Promise<string> => {
    const { domain, privateKey } = keys[n] ?? { domain: "", privateKey: null };
    const authResults = `${domain}; spf=fail smtp.mailfrom=jqd@d1.example`;
    const pem = privateKey?.export({ type: "pkcs8", format: "pem" });
    const own = { signingDomain: domain, selector: "arc", privateKey: pem, cv, authResults };
    return (await sealMessage(Buffer.from(text), own)).toString() + text;
  };
  /** Its story with keys of ours: the list seals, the next hop alters the subject and seals, the last one seals. */
  const story = async (lastCv = "pass"): Promise<string> => {
    const bare = RFC_8617.slice(RFC_8617.indexOf("Message-ID:"));
    const listed = await seal(bare.replace("[List 2] ", ""), 0, "none");
    const altered = await seal(listed.replace("\r\nSubject: ", "$&[List 2] "), 1, "pass");
    return seal(altered, 2, lastCv);
  };

  it("passes with keys of ours: only the newest signature must fit an altered message", async () => {
    expect(word(await details(mail(await story()), records), "ARC")).toBe("ARC_PASS");
  });

  test.each([
    ["the message altered after the last seal", (text: string) => text.replace("gang", "gangs")],
    [
      "an older result altered",
      (text: string) =>
        text.replace("i=1; lists.example.org; spf=fail", "i=1; lists.example.org; spf=pass"),
    ],
    ["a set missing", (text: string) => text.replace(/ARC-Seal: i=2;(?:.|\r\n[ \t])*\r\n/, "")],
  ])("fails with %s", async (_, change) => {
    const text = await story();
    expect(change(text)).not.toBe(text);
    expect(word(await details(mail(change(text)), records), "ARC")).toBe("ARC_FAIL");
  });

  it("fails when a sealer found the chain broken", async () => {
    expect(word(await details(mail(await story("fail")), records), "ARC")).toBe("ARC_FAIL");
  });
});
