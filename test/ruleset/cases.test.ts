import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCase, runCase } from "../../src/ruleset/cases.ts";
import type { CaseOutcome } from "../../src/ruleset/cases.ts";
import { errorText } from "../../src/ruleset/errors.ts";

const TEXT = `# comment
client 192.0.2.7 name=mail.example helo=helo.example
sender <>
recipient a@example.net
recipient b@example.net
mode after-queue
origin outbound
expect reject banned keep BANNED !GTUBE for=a@example.net
expect accept clean no-keep no-folder for=b@example.net

Subject: x

body
`;

function parsed(text: string) {
  const read = parseCase("rules/cases/x.case", text);
  return "errors" in read ? read.errors.map(errorText) : read.ok;
}

test("facts, expectations and message", () => {
  expect(parsed(TEXT)).toEqual({
    file: "rules/cases/x.case",
    facts: {
      client: { address: "192.0.2.7", name: "mail.example", helo: "helo.example" },
      sender: null,
      recipients: ["a@example.net", "b@example.net"],
      mode: "after-queue",
      origin: "outbound",
    },
    expectations: [
      {
        at: "rules/cases/x.case:8",
        recipient: "a@example.net",
        disposition: "reject",
        category: "banned",
        quarantine: true,
        folder: undefined,
        symbols: ["BANNED"],
        absent: ["GTUBE"],
      },
      {
        at: "rules/cases/x.case:9",
        recipient: "b@example.net",
        disposition: "accept",
        category: "clean",
        quarantine: false,
        folder: null,
        symbols: [],
        absent: [],
      },
    ],
    message: Buffer.from("Subject: x\r\n\r\nbody\r\n"),
  });
  expect(parsed(TEXT.replaceAll("\n", "\r\n"))).toEqual(parsed(TEXT));
});

test.each([
  ["expect accept", "rules/cases/x.case: no empty line before the message"],
  ["client 1.2.3.4\n\nm", "rules/cases/x.case: the case expects nothing"],
  ["expect acept\n\nm", 'rules/cases/x.case:1: "acept" cannot be expected; did you mean "accept"?'],
  [
    "expect accept for=z@example.net\n\nm",
    "rules/cases/x.case:1: for=z@example.net is no recipient of this case",
  ],
  [
    "mode later\nexpect accept\n\nm",
    'rules/cases/x.case:1: "later" is no mode; possible here: after-queue, before-queue',
  ],
])("%j → %s", (text, message) => {
  expect(parsed(text)).toEqual([message]);
});

test("a passing case says nothing, a failing one what differs", async () => {
  const read = parseCase("x.case", 'expect tag spam keep folder="Junk" GTUBE !BANNED\n\nm');
  if ("errors" in read) throw new Error("unreadable");
  const good: CaseOutcome = {
    recipient: "user@example.net",
    disposition: "tag",
    category: "spam",
    quarantine: true,
    folder: "Junk",
    symbols: ["GTUBE"],
  };
  expect(await runCase(read.ok, async () => [good])).toEqual([]);
  const bad: CaseOutcome = {
    recipient: "user@example.net",
    disposition: "accept",
    category: "clean",
    quarantine: false,
    folder: null,
    symbols: ["BANNED"],
  };
  expect(await runCase(read.ok, async () => [bad])).toEqual([
    "x.case:1: disposition for user@example.net is accept, expected tag",
    "x.case:1: category for user@example.net is clean, expected spam",
    "x.case:1: quarantine for user@example.net is false, expected true",
    "x.case:1: folder for user@example.net is none, expected Junk",
    "x.case:1: GTUBE is missing for user@example.net; came: BANNED",
    "x.case:1: BANNED came for user@example.net",
  ]);
  expect(await runCase(read.ok, async () => [])).toEqual(["x.case:1: no verdict for anybody"]);
});

test("whatever stands in a case, it is read or refused", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      expect(parseCase("x.case", `${text}\n\nm`)).toBeDefined();
    }),
  );
});
