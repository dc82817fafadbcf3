// Header lines of ours: printable ASCII, folded, and never more than one field.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeWords } from "../../src/mail/encoded-word.ts";
import { fieldLine, headerText, isFoldedField, reencodedText } from "../../src/mail/field-line.ts";
import { mailDate } from "../../src/mail/date.ts";
import { receivedLine, type ReceivedFacts } from "../../src/mail/received-line.ts";

test.each([
  ["plain text", "plain text"],
  ["a\r\nB: c\0", "a??B: c?"],
  ["grün", "=?UTF-8?B?Z3LDvG4=?="],
  ["ü  ü", `=?UTF-8?B?${Buffer.from("ü  ü").toString("base64")}?=`],
  ["=?utf-8?q?evil?=", `=?UTF-8?B?${Buffer.from("=?utf-8?q?evil?=").toString("base64")}?=`],
])("headerText(%j)", (from, to) => {
  expect(headerText(from)).toBe(to);
});

test("a value that was encoded stays as it was", () => {
  expect(reencodedText("=?utf-8?q?hello?= you")).toBe("=?utf-8?q?hello?= you");
});

test("any text becomes one field of short printable lines, and reads back", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({
      unit: fc.constantFrom("ü", "a", " ", "\r", "\n", "\t", "=?", "?=", "\0"),
      maxLength: 300,
    }),
  );
  fc.assert(
    fc.property(text, (value) => {
      const line = fieldLine("X-Amavis-Alert", headerText(value));
      expect(isFoldedField(line)).toBe(true);
      expect(line).toMatch(/^(?:[\x20-\x7e]|\r\n )*$/);
      expect(
        line
          .split("\r\n")
          .slice(1)
          .every((l) => l.trim() !== ""),
      ).toBe(true);
      const shown = decodeWords(line.slice("X-Amavis-Alert:".length).replaceAll("\r\n", ""))
        .replace(/ +/g, " ")
        .trim();
      expect(shown).toBe(
        value
          .toWellFormed()
          .replace(/[\x00-\x1f\x7f]/g, "?")
          .replace(/ +/g, " ")
          .trim(),
      );
    }),
  );
});

test("a word too long for any line is broken", () => {
  const lines = fieldLine("X", "y".repeat(5_000)).split("\r\n");
  expect(lines.every((l) => l.length <= 998)).toBe(true);
  expect(lines.join("").replaceAll(" ", "")).toBe(`X:${"y".repeat(5_000)}`);
});

test("dates", () => {
  expect(mailDate(new Date("2026-11-21T01:03:48Z"))).toBe("Sat, 21 Nov 2026 01:03:48 +0000 (UTC)");
  expect(mailDate(new Date(Number.NaN))).toBe("Thu, 1 Jan 1970 00:00:00 +0000 (UTC)");
});

const FACTS: ReceivedFacts = {
  greeting: "mx.example.com",
  peer: "127.0.0.1",
  hostname: "mail.example.com",
  socket: { address: "127.0.0.1", port: 10024 },
  product: "postern",
  protocol: "ESMTP",
  mailId: "vihf9CcCEk-b",
  recipients: ["user@example.com"],
  date: new Date("2026-11-21T01:03:48Z"),
};
const BY = " by mail.example.com (mail.example.com [127.0.0.1]) (postern, port 10024)";
const DATE = " Sat, 21 Nov 2026 01:03:48 +0000 (UTC)";

test.each<[string, Partial<ReceivedFacts>, string[]]>([
  [
    "one recipient",
    {},
    [
      "Received: from mx.example.com ([127.0.0.1])",
      `${BY} with ESMTP`,
      " id vihf9CcCEk-b for <user@example.com>;",
      DATE,
    ],
  ],
  [
    "two recipients are not disclosed",
    { recipients: ["a@b", "c@d"] },
    ["Received: from mx.example.com ([127.0.0.1])", `${BY} with ESMTP`, " id vihf9CcCEk-b;", DATE],
  ],
  [
    "unix socket, LMTP, no greeting",
    { peer: "", socket: null, greeting: "", protocol: "lmtp" },
    [
      "Received: from unknown",
      " by mail.example.com (postern, unix socket) with LMTP",
      " id vihf9CcCEk-b for <user@example.com>;",
      DATE,
    ],
  ],
  [
    "IPv6",
    { peer: "::1" },
    [
      "Received: from mx.example.com ([IPv6:::1])",
      `${BY} with ESMTP`,
      " id vihf9CcCEk-b for <user@example.com>;",
      DATE,
    ],
  ],
  [
    "hostile facts",
    { greeting: "x) by\r\nEvil: y", protocol: "E\r\nX", recipients: ['"; x"@y'] },
    ["Received: from x??by??Evil:?y ([127.0.0.1])", BY, " id vihf9CcCEk-b;", DATE],
  ],
])("Received: %s", (_, over, lines) => {
  expect(receivedLine({ ...FACTS, ...over }).split("\r\n")).toEqual(lines);
});
