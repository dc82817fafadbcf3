import fc from "fast-check";
import { expect, test } from "vitest";
import { figure, median, medianRatio, roundOf, table } from "./statistics.ts";

test.each([
  [[3], 3],
  [[5, 1, 3], 3],
  [[4, 1, 3, 2], 2.5],
  [[10, 9, 100], 10],
])("the median of %j is %d", (values, expected) => {
  expect(median(values)).toBe(expected);
});

test("no values have no median", () => {
  expect(median([])).toBeNaN();
});

test("half of the values lie on each side of the median", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const middle = median(values);
      expect(values.filter((value) => value < middle).length).toBeLessThanOrEqual(
        values.length / 2,
      );
      expect(values.filter((value) => value > middle).length).toBeLessThanOrEqual(
        values.length / 2,
      );
    }),
  );
});

test("ratios are taken round by round", () => {
  // A machine that was half as fast in the second round changes no ratio.
  expect(medianRatio([100, 50, 90], [10, 5, 10])).toBe(10);
  expect(medianRatio([1, 2], [])).toBeNaN();
});

test.each([
  [12_345.6, "12,346"],
  [99.95, "100.0"],
  [12.34, "12.3"],
  [1, "1.00"],
  [0.0204, "0.020"],
  [-250.4, "-250"],
  [null, "–"],
  [NaN, "–"],
])("%s is shown as %s", (value, shown) => {
  expect(figure(value)).toBe(shown);
});

test.each([
  [10, 6, 100],
  [283, 6, 1700],
  [17_250, 6, 100_000],
  [1e6, 60, 500_000],
])("at %d a second, a round of %d s has %d messages", (rate, seconds, messages) => {
  expect(roundOf(rate, seconds)).toBe(messages);
});

test("a table is padded Markdown", () => {
  expect(
    table(
      ["what", "n"],
      [
        ["a", "1"],
        ["longer", "1,000"],
      ],
    ),
  ).toBe(
    ["| what   |     n |", "| ------ | ----: |", "| a      |     1 |", "| longer | 1,000 |"].join(
      "\n",
    ),
  );
});
