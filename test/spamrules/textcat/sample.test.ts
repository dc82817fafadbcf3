// What of a text its language is guessed from.
import { expect, it } from "vitest";
import { MOST, sampleOf } from "../../../src/spamrules/textcat/sample.ts";

it.each([
  ["Re: fwd:  AW: text", "text"],
  ["x: text", "x: text"],
  ["a http://b.com/c d", "a   d"],
  ["a https:&#x2F;&#x2F;b.com/c d", "a   d"],
  ["a HTTP://b.com/c d", "a HTTP://b.com/c d"],
  ["a <b@c.com>, d", "a   d"],
  ["a b@1.com d", "a b@1.com d"],
  ["a www.b.com/c d", "a   d"],
  ["a xwww.b d", "a xwww.b d"],
])("%s", (line, wanted) => {
  expect(sampleOf([line])).toBe(wanted);
});

it("joins lines, and reads no further than it must", () => {
  expect(sampleOf(["x\n", "Re: y\n"])).toBe("x\n\nRe: y\n");
  expect(sampleOf(["ab ".repeat(20_000)])).toBe("ab ".repeat(20_000).slice(0, MOST));
  // Links of a kilobyte each: the text behind 200 of them counts.
  const links = `http://${"b".repeat(1000)} `.repeat(200);
  expect(sampleOf([`a ${links}`, "the end"])).toBe(`a ${"  ".repeat(200)}\nthe end`);
});
