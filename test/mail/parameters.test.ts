import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { parseParameters, parseToken } from "../../src/mail/parameters.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

const read = (text: string, name: string): readonly string[] =>
  parseParameters(text).parameters.get(name) ?? [];

describe("the value", () => {
  test.each([
    ["text/plain", "text/plain"],
    ["TEXT/Plain; charset=x", "text/plain"],
    ["text / plain (a comment); x=y", "text/plain"],
    ["text/plain charset=us-ascii", "text/plain"],
    ["", ""],
    ["; a=b", ""],
    ['attachment filename="a.exe"', "attachment"],
  ])("of %j is %j", (text, value) => {
    expect(parseParameters(text).value).toBe(value);
  });

  test("says when a comment stood in it", () => {
    expect(parseParameters("text/(x)html").commented).toBe(true);
    expect(parseParameters("text/html; a=b (x)").commented).toBe(false);
  });

  test.each([
    ["base64", "base64"],
    [" Base64 (really)", "base64"],
    ["base64;", "base64"],
    ["(x)", ""],
  ])("token of %j is %j", (text, token) => {
    expect(parseToken(text)).toBe(token);
  });
});

describe("every reading of a name", () => {
  test.each([
    ["a; name=x.exe", ["x.exe"]],
    ['a; NAME = "x.exe"', ["x.exe"]],
    ['a; name="x;y.exe"', ["x;y.exe"]],
    ['a; name="x.exe', ["x.exe"]],
    ['a; name="x.exe; b=c', ["x.exe", "x.exe; b=c"]],
    ["a; name=my file.exe", ["my file.exe", "my"]],
    ["a; name='x.exe'", ["'x.exe'", "x.exe"]],
    ["a; name=x.exe (comment)", ["x.exe", "x.exe (comment)"]],
    ['a; name=(c) "x.exe"', ["x.exe"]],
    ["a name=x.exe", ["x.exe"]],
    ["a; b=c name=x.exe", ["x.exe"]],
    ['a; b="c" name="x.exe"', ["x.exe"]],
    ['a; name="x\\".exe"', ['x".exe', 'x\\".exe', "x\\"]],
    ['a; name="C:\\dir\\x.exe"', ["C:dirx.exe", "C:\\dir\\x.exe"]],
    ['a; name="x.txt".exe', ["x.txt", "x.txt.exe"]],
    ['a; name="a.txt"; name="b.exe"', ["a.txt", "b.exe"]],
    ['a; name="=?utf-8?Q?x=2Eexe?="', ["=?utf-8?Q?x=2Eexe?=", "x.exe"]],
    ["a; name==?utf-8?Q?x=2Eexe?=", ["=?utf-8?Q?x=2Eexe?=", "x.exe"]],
    ["a; name*=utf-8''x%2Eexe", ["x.exe"]],
    ["a; name*=x%2Eexe", ["x.exe"]],
    ["a; name*=iso-8859-1'fr'%E9.exe", ["é.exe"]],
    ["a; name=good.txt; name*=utf-8''x.exe", ["good.txt", "x.exe"]],
    ['a; name*0="x."; name*1="exe"', ["x.exe"]],
    ['a; name*1="exe"; name*0="x."', ["x.exe", "exex."]],
    ["a; name*0*=utf-8''x%2E; name*1=e; name*2*=x%65", ["x.exe"]],
    ['a; name*0="a.txt"; name*2=".exe"', ["a.txt.exe", "a.txt"]],
    ['a; name*0="x."; name*1="txt"; name*1="exe"', ["x.txt", "x.exe", "x.txtexe"]],
    ['a; name*0="=?utf-8?Q?x"; name*1="=2Eexe?="', ["=?utf-8?Q?x=2Eexe?=", "x.exe"]],
    ["a; ;; name=x.exe;", ["x.exe"]],
    ["a; junk; name=x.exe", ["x.exe"]],
  ])("in %j", (text, expected) => {
    expect(read(text, "name")).toEqual(expected);
  });
});

test("bounds what it reads, and says so", () => {
  expect(parseParameters("a; " + "b=c; ".repeat(1_000)).cut).toBe(true);
  expect(parseParameters("a; b=" + "c".repeat(20_000)).cut).toBe(true);
  expect(parseParameters("a; b=c").cut).toBe(false);
});

test("never throws, is quick on hostile text", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ";",
      '"',
      "\\",
      "(",
      ")",
      "=",
      "*",
      "name",
      "*0",
      "*1*",
      "'",
      "%4",
      "=?utf-8?Q?",
      "?=",
    ),
    fc.string({ unit: "binary" }),
  );
  fc.assert(fc.property(fc.array(piece), (pieces) => void parseParameters(pieces.join(""))));
  const cpu = cpuClock();
  for (const one of ["(", '"', ";a=", "a;b=(", '\\"', "a=b ", ' "=', "; a*0=(x", "; a*1="]) {
    parseParameters("x; " + one.repeat(10_000));
  }
  expect(cpu()).toBeLessThan(1_500);
});
