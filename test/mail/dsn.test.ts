// Reports that other mail systems can read (RFC 3464, RFC 6533), and none where it would be backscatter.
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { describe, expect, test } from "vitest";
import type { Address } from "../../src/mail/address.ts";
import { bulkReason } from "../../src/mail/bulk.ts";
import { composeDsn, type Report } from "../../src/mail/dsn.ts";
import { dsnSuppressed, notifyOf, paramOf, type DsnFacts } from "../../src/mail/dsn-facts.ts";
import { parseHeader, type Header } from "../../src/mail/header.ts";
import { reject } from "../../src/mail/reply.ts";

const address = (raw: string): Address => {
  const at = raw.lastIndexOf("@");
  return { raw, local: raw.slice(0, Math.max(0, at)), domain: raw.slice(at + 1) };
};
const header = (text: string): Header =>
  parseHeader(Buffer.from(`${text}\r\n\r\n`), { maxBytes: 10_000_000 }).header;

const REPORT: Report = {
  hostname: "mx.example.com",
  id: "02689-06",
  mailId: "loA9jh2ZADqZ",
  sender: address("someone@remote.test"),
  senderParams: ["SIZE=10", "ENVID=a+2Bb"],
  kind: "banned",
  what: ".exe,invoice.pdf.exe",
  recipients: [
    {
      recipient: {
        address: address("user@example.com"),
        params: ["ORCPT=rfc822;us+2Ber@example.com"],
      },
      reply: reject(554, "5.7.0", "id=02689-06 - BANNED: .exe"),
      remoteMta: null,
    },
    {
      recipient: { address: address("other@example.com"), params: [] },
      reply: reject(550, "5.1.1", "no such user"),
      remoteMta: "next.example.com",
    },
  ],
  header: header("Message-ID: <x@y>\r\nSubject: hi"),
  arrivedAt: new Date("2026-11-21T01:00:00Z"),
  now: new Date("2026-11-21T01:03:48Z"),
};

/** The three parts of a report: content type and decoded text. */
function partsOf(octets: Buffer): { type: string; text: string }[] {
  const text = octets.toString("latin1");
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "none";
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const at = part.indexOf("\r\n\r\n");
      const head = part.slice(0, at);
      const content = Buffer.from(part.slice(at + 4).replace(/\r\n$/, ""), "latin1");
      const decoded = /base64/i.test(head) ? Buffer.from(content.toString(), "base64") : content;
      return { type: /Content-Type: ([^;\r]+)/i.exec(head)?.[1] ?? "", text: decoded.toString() };
    });
}

test("a report in three parts", async () => {
  const octets = await composeDsn(REPORT);
  const text = octets.toString();
  expect(text).not.toMatch(/(?<!\r)\n|\r(?!\n)/);
  expect(text).toMatch(/^Content-Type: multipart\/report; report-type=delivery-status;/m);
  expect(text).toMatch(/^Auto-Submitted: auto-replied\r$/m);
  const mail = await simpleParser(octets);
  expect(mail.subject).toBe("BANNED contents from you (.exe,invoice.pdf.exe)");
  expect(mail.from?.text).toBe('"Content-filter at mx.example.com" <postmaster@mx.example.com>');
  expect(mail.inReplyTo).toBe("<x@y>");
  expect(text).toMatch(/^To: someone@remote\.test\r$/m);
  const [human, status, headers, ...more] = partsOf(octets);
  expect(more).toEqual([]);
  expect(human?.text).toContain("<user@example.com>");
  expect(human?.text).toContain("02689-06/loA9jh2ZADqZ");
  expect(status).toEqual({
    type: "message/delivery-status",
    text: [
      "Reporting-MTA: dns; mx.example.com",
      "Original-Envelope-Id: a+b",
      "Arrival-Date: Sat, 21 Nov 2026 01:00:00 +0000 (UTC)",
      "",
      "Original-Recipient: rfc822; us+er@example.com",
      "Final-Recipient: rfc822; user@example.com",
      "Action: failed",
      "Status: 5.7.0",
      "Diagnostic-Code: smtp; 554 5.7.0 id=02689-06 - BANNED: .exe",
      "Last-Attempt-Date: Sat, 21 Nov 2026 01:03:48 +0000 (UTC)",
      "Final-Log-ID: 02689-06/loA9jh2ZADqZ",
      "",
      "Final-Recipient: rfc822; other@example.com",
      "Action: failed",
      "Status: 5.1.1",
      "Remote-MTA: dns; next.example.com",
      "Diagnostic-Code: smtp; 550 5.1.1 no such user",
      "Last-Attempt-Date: Sat, 21 Nov 2026 01:03:48 +0000 (UTC)",
      "Final-Log-ID: 02689-06/loA9jh2ZADqZ",
      "",
    ].join("\r\n"),
  });
  expect(headers).toEqual({
    type: "text/rfc822-headers",
    text: "Message-ID: <x@y>\r\nSubject: hi\r\n",
  });
});

test("UTF-8 addresses take the forms of RFC 6533", async () => {
  const [, status, headers] = partsOf(
    await composeDsn({
      ...REPORT,
      senderParams: ["SMTPUTF8"],
      header: header("Subject: grün"),
      recipients: REPORT.recipients.map((failed) => ({
        ...failed,
        recipient: { address: address("jürgen@exämple.org"), params: [] },
      })),
    }),
  );
  expect(status?.type).toBe("message/global-delivery-status");
  expect(status?.text).toContain("Final-Recipient: utf-8; jürgen@exämple.org\r\n");
  expect(headers).toEqual({ type: "message/global-headers", text: "Subject: grün\r\n" });
});

test("at most 64 KiB of the header come back", async () => {
  const big = Array.from({ length: 3_000 }, (_, i) => `X-${i}: ${"y".repeat(60)}`).join("\r\n");
  const [, , headers] = partsOf(await composeDsn({ ...REPORT, header: header(big) }));
  expect(headers?.text.length).toBeGreaterThan(60_000);
  expect(headers?.text.length).toBeLessThanOrEqual(65_536);
  expect(headers?.text.endsWith("y\r\n")).toBe(true);
});

test.each([
  ["virus", "Eicar", "VIRUS in message apparently from you (Eicar)"],
  ["spam", "", "Considered UNSOLICITED BULK EMAIL, apparently from you"],
  ["malformed", "", "BAD HEADER in message from you"],
  ["relay", "", "Undeliverable mail"],
] as const)("subject of %s", async (kind, what, subject) => {
  expect((await simpleParser(await composeDsn({ ...REPORT, kind, what }))).subject).toBe(subject);
});

test("no text of the message can add a field or a part", async () => {
  const text = fc.string({
    unit: fc.constantFrom("\r\n", "\n", "X: y", "--", "a", "<", ">", "@", "é", ";", "\0", "\u2028"),
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(text, text, text, async (a, b, c) => {
      const octets = await composeDsn({
        ...REPORT,
        sender: address(a),
        senderParams: [`ENVID=${b}`],
        what: c,
        recipients: [
          {
            recipient: { address: address(b), params: [`ORCPT=rfc822;${c}`] },
            reply: reject(550, "5.1.1", a),
            remoteMta: c,
          },
        ],
        header: header(`Message-ID: ${a.replace(/[\r\n]/g, "")}`),
      });
      expect(octets.toString("latin1")).not.toMatch(/(?<!\r)\n|\r(?!\n)/);
      const top = octets.toString().split("\r\n\r\n")[0] ?? "";
      expect(top).not.toMatch(/^X:/m);
      const [, status, , ...more] = partsOf(octets);
      expect(more).toEqual([]);
      expect(status?.text).not.toMatch(/^(?:X|-|a|@|;)/m);
    }),
    { numRuns: 60 },
  );
});

const FACTS: DsnFacts = {
  sender: address("a@b"),
  recipient: { address: address("c@d"), params: [] },
  kind: "banned",
  bulk: null,
  score: 3,
  dsnCutoff: 10,
  standing: "proven",
  senderDenied: false,
  selfTest: false,
};
const notify = (value: string): DsnFacts["recipient"] => ({
  address: address("c@d"),
  params: ["ORCPT=rfc822;x", `notify=${value}`],
});

test.each<[string, Partial<DsnFacts>, boolean]>([
  ["banned", {}, false],
  ["null sender", { sender: null }, true],
  ["empty sender", { sender: address("") }, true],
  ["NOTIFY=NEVER", { recipient: notify("NEVER") }, true],
  ["NOTIFY=DELAY,SUCCESS", { recipient: notify("DELAY,SUCCESS") }, true],
  ["NOTIFY=success,failure", { recipient: notify("success,failure") }, false],
  ["virus", { kind: "virus" }, true],
  ["the virus test file", { kind: "virus", selfTest: true }, false],
  ["denied sender", { senderDenied: true }, true],
  ["bulk", { bulk: "list field" }, true],
  ["score at the cutoff", { score: 10 }, true],
  ["no cutoff", { score: 1_000, dsnCutoff: null }, false],
  ["no score", { score: null }, false],
  ["our own user", { standing: "own" }, false],
  ["a forged sender", { standing: "forged" }, true],
  ["a forged sender, refused by the next hop", { standing: "forged", kind: "relay" }, true],
  ["a sender of whom nothing is known", { standing: "unproven" }, true],
  ["the same, refused by the next hop", { standing: "unproven", kind: "relay" }, false],
  [
    "the virus test file from anybody",
    { standing: "unproven", kind: "virus", selfTest: true },
    true,
  ],
])("a report for %s is suppressed", (_, over, suppressed) => {
  expect(dsnSuppressed({ ...FACTS, ...over }) !== null).toBe(suppressed);
});

test("parameters", () => {
  expect(paramOf(["SIZE=1", "envid=x=y"], "ENVID")).toBe("x=y");
  expect(paramOf(["NOTIFYX=1"], "NOTIFY")).toBeNull();
  expect(notifyOf({ address: address("a@b"), params: [] })).toBeNull();
});

describe("bulk", () => {
  test.each([
    ["From: a@b\r\nSubject: x", "a@b", null],
    ["List-Id: <x>", "a@b", "list field"],
    ["list-unsubscribe: <x>", "a@b", "list field"],
    ["Mailing-List: x", "a@b", "list field"],
    ["Precedence: bulk", "a@b", "Precedence"],
    ["Precedence: first-class", "a@b", null],
    ["Auto-Submitted: auto-replied", "a@b", "Auto-Submitted"],
    ["Auto-Submitted: No", "a@b", null],
    ["Auto-Submitted: nothing", "a@b", "Auto-Submitted"],
    ["X: y", "news-bounces@b", "list sender"],
    ["X: y", "news-bounces+user=d@b", "list sender"],
    ["X: y", "owner-news@b", "list sender"],
    ["X: y", "MAILER-DAEMON@b", "automatic sender"],
    ["From: The List <news-request@b>", "a@b", "list From"],
    ["From: Postmaster <postmaster@b>", "a@b", "automatic From"],
    ['From: "postmaster@b" <human@b>', "a@b", null],
  ])("%j from %s", (text, sender, reason) => {
    expect(bulkReason(header(text), address(sender))).toBe(reason);
  });
  test("null sender", () => {
    expect(bulkReason(header("X: y"), null)).toBe("null sender");
  });
});
