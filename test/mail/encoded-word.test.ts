import { expect, test } from "vitest";
import fc from "fast-check";
import { decodeWords } from "../../src/mail/encoded-word.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

test.each([
  ["plain text", "plain text"],
  ["=?utf-8?B?w6k=?=", "é"],
  ["=?UTF-8?q?a=C3=A9_b?= c", "aé b c"],
  ["=?iso-8859-1*fr?Q?=E9?=", "é"],
  // The white space between words goes, also when a character is split.
  ["=?utf-8?Q?=C3?= \t =?utf-8?Q?=A9?=", "é"],
  ["=?utf-8?B?ww?= =?utf-8?B?qQ==?=", "é"],
  ["=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"],
  ["=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?=", "aé"],
  ["=?windows-1251?B?4uj0?=", "виф"],
  ["=?gb2312?B?1tA=?=", "中"],
  ["=?iso-2022-jp?B?GyRCRnwbKEI=?=", "日"],
  ["=?utf-7?Q?evil+AC4-exe?=", "evil.exe"],
  ["=?x-unknown?Q?a.exe?=", "a.exe"],
  ["=?utf-8?Q?with space.exe?=", "with space.exe"],
  ["=?utf-8?Q?=41?=", "A"],
  ["=?utf-8?Q??=", ""],
  ["x=?utf-8?Q?y?=z", "xyz"],
  ["=?utf-8?X?y?=", "=?utf-8?X?y?="],
  ["=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished"],
  ["=??Q?a?=", "=??Q?a?="],
])("%j reads %j", (text, expected) => {
  expect(decodeWords(text)).toBe(expected);
});

test("never throws", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "=?",
      "?=",
      "utf-8",
      "?Q?",
      "?B?",
      "=C3",
      " ",
      "shift_jis",
      "*en",
      "utf-7",
      "+AA",
    ),
    fc.string({ unit: "binary" }),
  );
  fc.assert(fc.property(fc.array(piece), (pieces) => void decodeWords(pieces.join(""))));
});

test("takes linear time on words that never end", () => {
  const cpu = cpuClock();
  decodeWords("=?utf-8?Q?".repeat(100_000));
  decodeWords("=?utf-8?Q?".repeat(100_000) + "?=");
  decodeWords("=?a?Q?b?= ".repeat(50_000));
  expect(cpu()).toBeLessThan(2_000);
});
