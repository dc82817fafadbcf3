import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chanceOf, type TokenCount } from "../../../src/spamrules/bayes/chance.ts";

const counts = (n: number, spam: number, ham: number): TokenCount[] =>
  Array.from({ length: n }, (_, id) => ({ id, spam, ham }));
const learned = { spam: 300, ham: 300 };
const probability = (rows: readonly TokenCount[], of = learned): number | undefined =>
  chanceOf(rows, of)?.probability;

describe("the chance of spam", () => {
  it("comes from what is known, and is none without", () => {
    expect(chanceOf([], learned)).toBeNull();
    expect(chanceOf(counts(5, 3, 3), learned)).toBeNull();
    expect(chanceOf(counts(5, 9, 0), { spam: 300, ham: 0 })).toBeNull();
    expect(probability(counts(1, 1, 0))).toBeGreaterThan(0.7);
    expect(probability(counts(1, 0, 1))).toBeLessThan(0.3);
    expect(probability(counts(40, 10, 0))).toBeGreaterThan(0.999);
    expect(probability(counts(40, 0, 10))).toBeLessThan(0.001);
  });

  it("is one half when both sides are as strong", () => {
    const rows = [
      ...counts(10, 5, 0),
      ...counts(10, 0, 5).map((row) => ({ ...row, id: row.id + 50 })),
    ];
    expect(probability(rows)).toBeCloseTo(0.5, 2);
  });

  it("weighs a token by what it was seen with", () => {
    // (0.538 × 0.03 + 1) / (0.03 + 1)
    const [token] = chanceOf([{ id: 1, spam: 1, ham: 0 }], learned)?.strongest ?? [];
    expect(token?.chance).toBeCloseTo(0.98654, 5);
    // Twice as much ham as spam was learned: once in each counts for spam.
    const [even] = chanceOf([{ id: 1, spam: 9, ham: 1 }], { spam: 100, ham: 200 })?.strongest ?? [];
    expect(even?.chance).toBeCloseTo((0.538 * 0.03 + 10 * (1800 / 1900)) / 10.03, 10);
  });

  it("leaves out tokens that were seen once, if that is wished", () => {
    expect(chanceOf(counts(5, 1, 0), learned, false)).toBeNull();
    expect(chanceOf(counts(5, 2, 0), learned, false)).not.toBeNull();
  });

  it("takes the 150 strongest, equal ones by their ids", () => {
    const rows = [...counts(200, 1, 0), { id: 999, spam: 50, ham: 0 }];
    const { strongest } = chanceOf(rows, learned) ?? { strongest: [] };
    expect(strongest).toHaveLength(150);
    expect(strongest[0]?.id).toBe(999);
    expect(strongest.at(-1)?.id).toBe(148);
    expect(chanceOf([...rows].reverse(), learned)).toEqual(chanceOf(rows, learned));
  });

  it("is a number from 0 to 1 whatever was counted", () => {
    const row = fc.record({ id: fc.nat(), spam: fc.nat(1e6), ham: fc.nat(1e6) });
    fc.assert(
      fc.property(fc.array(row), fc.nat(1e7), fc.nat(1e7), (rows, spam, ham) => {
        const said = chanceOf(rows, { spam, ham });
        if (said === null) return;
        expect(said.probability).toBeGreaterThanOrEqual(0);
        expect(said.probability).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("survives hundreds of factors", () => {
    expect(probability(counts(150, 1000, 0))).toBeGreaterThan(0.9999);
    expect(probability(counts(150, 0, 1000))).toBeLessThan(0.0001);
  });
});
