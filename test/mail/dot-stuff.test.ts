import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dotStuff, endOfData } from "../../src/mail/dot-stuff.ts";

describe("dot-stuffing", () => {
  test.each([
    ["", true, ""],
    [".", true, ".."],
    [".", false, "."],
    ["a.\r\n.\r\n..b\r\n", true, "a.\r\n..\r\n...b\r\n"],
    ["\n.", true, "\n.."],
    [".\n.\n.", false, ".\n..\n.."],
  ])("%j", (text, atLineStart, stuffed) => {
    expect(dotStuff(Buffer.from(text), atLineStart).toString()).toBe(stuffed);
  });

  test("without a dot at a line's start nothing is copied", () => {
    const chunk = Buffer.from("a.b\r\nc\r\n");
    expect(dotStuff(chunk, true)).toBe(chunk);
  });

  test("any text, cut anywhere: what a plain replacement gives, sparse and dense", () => {
    const unit = fc.constantFrom(".", "\r\n", "\n", "x");
    const text = fc.oneof(
      fc.string({ unit, maxLength: 60 }),
      fc.string({ unit, minLength: 500, maxLength: 3000 }),
    );
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 4000 }), (given, step) => {
        const whole = Buffer.from(given);
        const out: Buffer[] = [];
        for (let at = 0; at < whole.length; at += step) {
          out.push(dotStuff(whole.subarray(at, at + step), at === 0 || whole[at - 1] === 0x0a));
        }
        expect(Buffer.concat(out).toString()).toBe(given.replace(/(^|\n)\./g, "$1.."));
      }),
    );
  });

  test("the end", () => {
    expect(endOfData(true).toString()).toBe(".\r\n");
    expect(endOfData(false).toString()).toBe("\r\n.\r\n");
  });
});
