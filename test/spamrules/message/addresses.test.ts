// Addresses of header fields as SpamAssassin's own parser finds them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddresses } from "../../../src/spamrules/message/addresses.ts";

const CASES: readonly (readonly [string, readonly (readonly [string | null, string | null])[]])[] =
  [
    [" Ann <ann@one.example>\n", [["Ann ", "ann@one.example"]]],
    ["ann@one.example", [[null, "ann@one.example"]]],
    ["ann@one.example (Ann)", [["Ann", "ann@one.example"]]],
    [
      '"Doe, Ann" <ann@one.example>, bob@two.example',
      [
        ["Doe, Ann ", "ann@one.example"],
        [null, "bob@two.example"],
      ],
    ],
    ['"Ann \\"A\\" Doe" <ann@one.example>', [['Ann "A" Doe ', "ann@one.example"]]],
    ["ann@one.example <ann@one.example>", [["ann@one.example ", "ann@one.example"]]],
    ["<ann@one.example> <ann@one.example>", [[null, "ann@one.example"]]],
    [
      "List: ann@one.example, bob@two.example;",
      [
        [null, "ann@one.example"],
        [null, "bob@two.example"],
      ],
    ],
    ["undisclosed-recipients:;", []],
    ["Nobody", [["Nobody", null]]],
    ["Ann <>", [["Ann ", null]]],
    ["Ann <no address>", [["Ann ", null]]],
    ['"ann@one.example"', [[null, "ann@one.example"]]],
    ["ann@bob@one.example", [[null, "ann@bob"]]],
    [" ,", [[" ", null]]],
    [",", []],
    [
      '=?UTF-8?Q?"Ann"?= x <ann@one.example>> <bob@two.example> "',
      [
        [null, "ann@one.example"],
        [null, "bob@two.example"],
      ],
    ],
    ["", []],
    [" \n", []],
  ];

describe("parseAddresses", () => {
  it.each(CASES)("%j", (value, expected) => {
    expect(parseAddresses(value).map(({ phrase, address }) => [phrase, address])).toEqual(expected);
  });

  it("never throws", () => {
    const piece = fc.constantFrom(
      "a",
      "@",
      "<",
      ">",
      '"',
      "\\",
      "(",
      ")",
      ",",
      ";",
      ":",
      " ",
      "b.example",
      "\n ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        for (const { user, host, address } of parseAddresses(pieces.join(""))) {
          if (address === null) expect([user, host]).toEqual([null, null]);
          else expect(address).toBe(`${user}@${host}`);
        }
      }),
    );
  });

  it("stays linear on doubled brackets", () => {
    const cost = (count: number): number => {
      const before = process.cpuUsage().user;
      for (let round = 0; round < 10; round += 1)
        parseAddresses(`x <y>${"<a>".repeat(count)} junk`);
      return process.cpuUsage().user - before;
    };
    cost(2000);
    expect(cost(8000)).toBeLessThan(20 * cost(1000) + 200_000);
  });
});
