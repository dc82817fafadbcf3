// The commonest groups of octets of a text.
import fc from "fast-check";
import { expect, it } from "vitest";
import { commonGroups } from "../../../src/spamrules/textcat/groups.ts";

const ALL = { atLeast: 0, most: 400 };

it("counts groups of one to five octets of each word, its ends marked", () => {
  expect(commonGroups("ab", ALL)).toEqual([
    "\0",
    "\0a",
    "\0ab",
    "\0ab\0",
    "a",
    "ab",
    "ab\0",
    "b",
    "b\0",
  ]);
  expect(commonGroups("aaaa aaaa", ALL)[0]).toBe("a");
});

it("knows words by letters, apostrophes and whatever is no ASCII", () => {
  const words = (text: string): string[] =>
    commonGroups(text, ALL).filter((group) => /^\0[^\0]*\0$/.test(group));
  expect(words("a1b-c_d")).toEqual(["\0a\0", "\0b\0", "\0c\0", "\0d\0"]);
  expect(words("it's {x}~\xe9\x7f")).toEqual(["\0x\0", "\0\xe9\x7f\0"]);
});

it("makes capitals small in words of four letters and more", () => {
  const has = (text: string, group: string): boolean => commonGroups(text, ALL).includes(group);
  expect(has("ABCD", "abcd")).toBe(true);
  expect(has("ABC", "ABC")).toBe(true);
  expect(has("Ab'cd", "Ab")).toBe(true);
  expect(has("abcd\xc9", "\xc9")).toBe(true);
  expect(has("Abcd\xc9\xd7", "\xe9\xd7")).toBe(true);
});

it("keeps the first of all that it sorts", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c", " "), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 60 }), (some, most) => {
      const all = commonGroups(some, { atLeast: 0, most: Infinity });
      expect(commonGroups(some, { atLeast: 0, most })).toEqual(all.slice(0, most));
    }),
  );
  expect(commonGroups("ab ab a", { atLeast: 2, most: 400 })).toEqual(["\0", "\0a", "a"]);
});
