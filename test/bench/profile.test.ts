import { expect, test } from "vitest";
import { selfTimes, stretches, type CpuProfile } from "./profile.ts";

const node = (id: number, functionName: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url: "", lineNumber: 0 },
  children,
});

// (root) → idle, a → b, c; times in µs
const PROFILE: CpuProfile = {
  nodes: [
    node(1, "(root)", [2, 3, 5, 6]),
    node(2, "(idle)"),
    node(3, "a", [4]),
    node(4, "b"),
    node(5, "c"),
    node(6, "(garbage collector)"),
  ],
  samples: [2, 3, 4, 6, 4, 2, 5, 4],
  timeDeltas: [1000, 2000, 3000, 4000, 1000, 9000, 5000, 6000],
};

test("self times are summed by function, without idle time", () => {
  expect(selfTimes(PROFILE)).toEqual([
    { where: "b", ms: 10 },
    { where: "c", ms: 5 },
    { where: "(garbage collector)", ms: 4 },
    { where: "a", ms: 2 },
  ]);
});

test("a stretch ends at idle time and at another callback; garbage collection belongs to it", () => {
  expect(stretches(PROFILE, 2)).toEqual([
    {
      atMs: 1,
      ms: 10,
      functions: [
        { where: "b", ms: 4 },
        { where: "(garbage collector)", ms: 4 },
        { where: "a", ms: 2 },
      ],
    },
    { atMs: 25, ms: 6, functions: [{ where: "b", ms: 6 }] },
  ]);
});
