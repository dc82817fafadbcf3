import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileMeta } from "../../../src/spamrules/language/meta.ts";

const NAMES = ["A", "B", "C", "D"];
const place = (name: string): number => NAMES.indexOf(name);

/** [low, high] of an expression; rules in `pending` may have up to 3 hits. */
function boundsOf(text: string, counts: readonly number[], pending = ""): [number, number] {
  const waiting = NAMES.map((name) => (pending.includes(name) ? 1 : 0));
  const known = { counts, pending: waiting, most: NAMES.map(() => 3), low: 0 };
  const high = compileMeta(text, place, true).bounds(known);
  return [known.low, high];
}

const expressions = fc.letrec<{ any: string; leaf: string }>((tie) => ({
  leaf: fc.constantFrom(...NAMES, ...NAMES, "0", "1", "2"),
  any: fc.oneof(
    { maxDepth: 4 },
    tie("leaf"),
    tie("any").map((of) => `!(${of})`),
    tie("any").map((of) => `(-${of})`),
    fc.tuple(tie("any"), tie("any"), tie("any")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc
      .tuple(
        tie("any"),
        fc.constantFrom("&&", "||", "+", "-", "*", "^", "<", ">", "<=", ">=", "==", "!=", "/"),
        tie("any"),
      )
      .map(([a, operator, b]) => `(${a}) ${operator} (${b})`),
  ),
})).any;

describe("bounds", () => {
  it.each([
    ["A && B", [0, 0, 0, 0], "B", [0, 0]],
    ["A && !B", [1, 1, 0, 0], "", [0, 0]],
    ["A && B", [1, 0, 0, 0], "B", [0, 3]],
    ["(A + B + C + D) > 2", [0, 1, 0, 0], "C", [0, 1]],
    ["(A + B + C + D) > 4", [0, 1, 0, 0], "C", [0, 0]],
    ["A && (B || C || D)", [1, 0, 0, 0], "", [0, 0]],
    ["!A", [0, 0, 0, 0], "A", [0, 1]],
  ])("says what %s can come to with %j, and %s waiting", (text, counts, pending, range) => {
    expect(boundsOf(text, counts, pending)).toEqual(range);
  });

  it("hold whatever the counts turn out to be", () => {
    const hits = fc.tuple(...NAMES.map(() => fc.nat(3)));
    const waits = fc.subarray(NAMES).map((names) => names.join(""));
    fc.assert(
      fc.property(expressions, hits, waits, (text, counts, pending) => {
        const meta = compileMeta(text, place, true);
        const sofar = counts.map((count, at) => (pending.includes(NAMES[at]!) ? 0 : count));
        const [low, high] = boundsOf(text, sofar, pending);
        const value = meta.evaluate(counts);
        expect([text, value >= Math.min(low, 0) && value <= Math.max(high, 0)]).toEqual([
          text,
          true,
        ]);
        if (low === 0 && high === 0) expect([text, value === 0]).toEqual([text, true]);
        if (low > 0 || high < 0) expect([text, value === 0]).toEqual([text, false]);
      }),
      { numRuns: 2000 },
    );
  });
});
