// What counts as agreement between two scorers.
import { describe, expect, test } from "vitest";
import { compare, type Opinion } from "./compare.ts";

const opinion = (total: number, rules: Record<string, number>): Opinion => ({
  total,
  required: 5,
  rules: new Map(Object.entries(rules)),
});

describe("comparing two scorers", () => {
  test("the same opinions agree entirely", () => {
    const one = new Map([["a", opinion(5.1, { X: 5, Y: 0.1 })]]);
    const parity = compare(one, one, 0.01);
    expect(parity.pairs).toEqual({ either: 2, both: 2, onlyOurs: 0, onlyTheirs: 0, rate: 1 });
    expect(parity.scores).toMatchObject({ within: 1, rate: 1, meanDifference: 0, worst: [] });
    expect(parity.decisions).toMatchObject({ spamToBoth: 1, rate: 1 });
    expect(parity.rules).toEqual([]);
  });

  test("pairs count per message, and rules are sorted by the points they cost", () => {
    const ours = new Map([
      ["a", opinion(3, { LIGHT: 0.1, BOTH: 2.9 })],
      ["b", opinion(3.1, { LIGHT: 0.1, BOTH: 3 })],
    ]);
    const theirs = new Map([
      ["a", opinion(2.9, { BOTH: 2.9 })],
      ["b", opinion(6, { BOTH: 3, HEAVY: 3 })],
    ]);
    const parity = compare(ours, theirs, 0.1);
    expect(parity.pairs).toEqual({ either: 5, both: 2, onlyOurs: 2, onlyTheirs: 1, rate: 0.4 });
    expect(parity.rules.map(({ rule, weight, example }) => [rule, weight, example])).toEqual([
      ["HEAVY", 3, "b"],
      ["LIGHT", 0.2, "a"],
    ]);
    expect(parity.scores).toMatchObject({ within: 1, rate: 0.5 });
    expect(parity.scores.worst[0]).toEqual({
      message: "b",
      ours: 3.1,
      theirs: 6,
      onlyOurs: ["LIGHT"],
      onlyTheirs: ["HEAVY"],
    });
    expect(parity.decisions).toEqual({
      spamToBoth: 0,
      spamToOursOnly: [],
      spamToTheirsOnly: ["b"],
      rate: 0.5,
    });
  });

  test("what one side has no opinion on is told and counts for neither", () => {
    const parity = compare(
      new Map([
        ["a", null],
        ["b", opinion(1, {})],
      ]),
      new Map([["a", opinion(1, { X: 1 })]]),
      0.01,
    );
    expect(parity.unanswered).toEqual(["a", "b"]);
    expect(parity.messages).toBe(0);
    expect(parity.pairs.rate).toBe(1);
  });
});
