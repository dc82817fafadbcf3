import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressKey,
  canonicalDomain,
  parseAddress,
  parsePath,
  sameAddress,
} from "../../src/mail/address.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

describe("parsePath", () => {
  test.each([
    ["<a@b.example>", "a@b.example", "a", "b.example", []],
    ["<A.B+c@B.Example.>", "A.B+c@B.Example.", "A.B+c", "b.example", []],
    [" <a@b.example>", "a@b.example", "a", "b.example", []],
    ["<a..b.@b.example>", "a..b.@b.example", "a..b.", "b.example", []],
    ["<postmaster>", "postmaster", "postmaster", "", []],
    ['<"a b"@b.example>', '"a b"@b.example', "a b", "b.example", []],
    ['<"a@b"@c.example>', '"a@b"@c.example', "a@b", "c.example", []],
    ['<"a>b<\\""@c.example> X=1', '"a>b<\\""@c.example', 'a>b<"', "c.example", ["X=1"]],
    ["<a\\@b@c.example>", "a\\@b@c.example", "a@b", "c.example", []],
    [
      "<@r.example,@s.example:a@b.example>",
      "@r.example,@s.example:a@b.example",
      "a",
      "b.example",
      [],
    ],
    ["<a@[192.0.2.1]>", "a@[192.0.2.1]", "a", "[192.0.2.1]", []],
    ["<a@[IPv6:2001:DB8::1]>", "a@[IPv6:2001:DB8::1]", "a", "[ipv6:2001:db8::1]", []],
    ["<a@xn--MNCHEN-3ya.example>", "a@xn--MNCHEN-3ya.example", "a", "xn--mnchen-3ya.example", []],
    ["<jürgen@MÜNCHEN.example>", "jürgen@MÜNCHEN.example", "jürgen", "xn--mnchen-3ya.example", []],
    ["<a@my_host>", "a@my_host", "a", "my_host", []],
    ["<a/b=c:d@b.example>", "a/b=c:d@b.example", "a/b=c:d", "b.example", []],
    ["<a@b.example>  SIZE=1  SMTPUTF8", "a@b.example", "a", "b.example", ["SIZE=1", "SMTPUTF8"]],
  ])("%s", (text, raw, local, domain, params) => {
    expect(parsePath(text)).toEqual({ address: { raw, local, domain }, params });
  });

  test("the null path", () => {
    expect(parsePath("<>")).toEqual({ address: null, params: [] });
    expect(parsePath(" <> RET=HDRS")).toEqual({ address: null, params: ["RET=HDRS"] });
  });

  test.each([
    "",
    "a@b.example",
    "<a@b.example",
    "a@b.example>",
    "<a@b.example>x",
    "< >",
    "<a b@c.example>",
    "<a@b@c.example>",
    "<@b.example>",
    "<@r.example:>",
    '<"a@b.example>',
    '<""@b.example>',
    "<a@>",
    "<a@.>",
    "<a@b..example>",
    "<a@.b>",
    "<a@b/c>",
    "<a@b c>",
    "<a@b%2fc>",
    "<a@é/../c>",
    "<a@é:80>",
    "<a@[1.2.3.4>",
    "<a@[]>",
    "<a@[a]b]>",
    "<a\t@b.example>",
    "<a\0@b.example>",
    "<a\r\n@b.example>",
    "<a@b.example> X=\t",
    "<a\ud800@b.example>",
    "<a@b\ud800.example>",
    "<<a@b.example>>",
    `<${"a".repeat(1025)}@b.example>`,
    `<a@${"b".repeat(64)}.example>`,
    `<a@${"b.".repeat(130)}example>`,
    `<${"@r.example,".repeat(200)}@r.example:a@b.example>`,
  ])("refuses %j", (text) => {
    expect(parsePath(text)).toBeNull();
  });

  test("whatever comes, it does not throw, and what it takes reads the same again", () => {
    const piece = fc.constantFrom(
      "<",
      ">",
      "@",
      '"',
      "\\",
      " ",
      ".",
      "a",
      "é",
      "[",
      "]",
      ":",
      ",",
      "x.example",
      "\0",
      "\ud800",
      "=",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(piece).map((p) => `<${p.join("")}`),
        ),
        (text) => {
          const path = parsePath(text);
          if (path?.address == null) return;
          const { address, params } = path;
          expect(text).toContain(`<${address.raw}>`);
          expect(address.raw).not.toMatch(/[\x00-\x1f\x7f]/);
          expect(address.domain).toMatch(/^(?:|\[[\x21-\x7e]+\]|[a-z0-9._-]+)$/);
          expect(parseAddress(address.raw)).toEqual(address);
          expect(parsePath([`<${address.raw}>`, ...params].join(" "))).toEqual(path);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("is linear", () => {
    const cpu = cpuClock();
    for (const unit of [" ", "\\", '"', "<", "@", "a ", "."]) {
      parsePath(`<${unit.repeat(200_000)}`);
      parsePath(`<a@b>${unit.repeat(200_000)}`);
      parseAddress(unit.repeat(200_000));
      canonicalDomain(unit.repeat(200_000));
    }
    expect(cpu()).toBeLessThan(2000);
  });
});

test("sameAddress and addressKey compare what SMTP compares", () => {
  const read = (raw: string) => parseAddress(raw)!;
  expect(sameAddress(read("a@B.example"), read('"a"@b.example.'))).toBe(true);
  expect(sameAddress(read("A@b.example"), read("a@b.example"))).toBe(false);
  expect(sameAddress(null, null)).toBe(true);
  expect(sameAddress(null, read("a@b.example"))).toBe(false);
  expect(addressKey(read("a@MÜNCHEN.example"))).toBe("a@xn--mnchen-3ya.example");
  expect(addressKey(read('"a@b"@c'))).not.toBe(addressKey(read('"a"@b')));
});
