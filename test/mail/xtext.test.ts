import fc from "fast-check";
import { expect, test } from "vitest";
import { readXforward } from "../../src/mail/xforward.ts";
import { decodeXtext, encodeXtext } from "../../src/mail/xtext.ts";

test.each([
  ["plain", "plain"],
  ["a+b=c d", "a+2Bb+3Dc+20d"],
  ["ü", "+C3+BC"],
  ["\r\n", "+0D+0A"],
])("%j is %s", (text, encoded) => {
  expect(encodeXtext(text)).toBe(encoded);
  expect(decodeXtext(encoded)).toBe(text);
});

test("decodes lower case and 8-bit octets, refuses half an octet", () => {
  expect(decodeXtext("+2b")).toBe("+");
  expect(decodeXtext("+FF")).toBe("\xff");
  expect(decodeXtext("ü")).toBe("ü");
  for (const broken of ["+", "+2", "a+", "+2G", "++2B"]) expect(decodeXtext(broken)).toBeNull();
});

test("comes back whole", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(encodeXtext(text)).toMatch(/^[\x21-\x7e]*$/);
      expect(decodeXtext(encodeXtext(text))).toBe(text.toWellFormed());
    }),
  );
});

test.each([
  ["NAME=a.example ADDR=192.0.2.1 PORT=25", { NAME: "a.example", ADDR: "192.0.2.1", PORT: "25" }],
  [
    "name=UnKnown helo=[192.0.2.1] proto=SMTP",
    { NAME: "UnKnown", HELO: "[192.0.2.1]", PROTO: "SMTP" },
  ],
  [
    "ADDR=IPV6:2001:db8::1 IDENT=+34ABC SOURCE=LOCAL",
    { ADDR: "IPV6:2001:db8::1", IDENT: "4ABC", SOURCE: "LOCAL" },
  ],
  ["NAME=not+20a=name", { NAME: "not a=name" }],
  ["OLD=x NAME=a", null],
  ["NAME", null],
  ["=a", null],
  ["", null],
  ["NAME=a+0Ab", null],
  ["NAME=a+zz", null],
  [`NAME=${"x".repeat(256)}`, null],
])("XFORWARD %s", (argument, expected) => {
  const into = new Map<string, string>();
  expect(readXforward(argument, into)).toBe(expected !== null);
  expect(Object.fromEntries(into)).toEqual(expected ?? {});
});

test("XFORWARD [UNAVAILABLE] takes back, an error changes nothing", () => {
  const into = new Map([
    ["NAME", "a"],
    ["HELO", "b"],
  ]);
  expect(readXforward("NAME=[Unavailable] PORT=[UNAVAILABLE]", into)).toBe(true);
  expect(readXforward("HELO=c FOO=1", into)).toBe(false);
  expect(Object.fromEntries(into)).toEqual({ HELO: "b" });
});
