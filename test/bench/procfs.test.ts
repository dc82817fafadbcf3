import { describe, expect, test } from "vitest";
import { busiestShare, descendants, parseResident, parseStat, processTree } from "./procfs.ts";

const line = (pid: number, name: string, parent: number, times: string) =>
  `${pid} (${name}) S ${parent} 4 4 0 -1 4194560 100 200 0 0 ${times} 20 0 1 0 5000 1000 200 0`;

describe("parseStat", () => {
  test.each(["node", "a b", "tmux: server", "odd) S 1 (name"])("reads the line of %j", (name) => {
    expect(parseStat(line(42, name, 7, "150 50 20 5"))).toEqual({
      pid: 42,
      parent: 7,
      cpuSeconds: 2.25,
    });
  });

  test.each(["", "42", "42 (node", "42 (node) S", line(1, "x", 2, "a b c d")])(
    "refuses %j",
    (text) => {
      expect(parseStat(text)).toBeNull();
    },
  );
});

test("resident memory is read in octets; a zombie has none", () => {
  expect(parseResident("Name:\tnode\nVmPeak:\t9000 kB\nVmRSS:\t  1024 kB\nThreads:\t7\n")).toBe(
    1024 * 1024,
  );
  expect(parseResident("Name:\tnode\nState:\tZ (zombie)\n")).toBeNull();
});

test("a tree holds children of children, in whatever order they are listed", () => {
  const of = (pid: number, parent: number) => ({ pid, parent, cpuSeconds: 0 });
  const stats = [of(30, 20), of(20, 10), of(10, 1), of(11, 1), of(31, 11)];
  expect(descendants(stats, 10).map(({ pid }) => pid)).toEqual([30, 20, 10]);
  expect(descendants(stats, 99)).toEqual([]);
});

test("this process is in its own tree, and has used the CPU", () => {
  const own = processTree(process.pid).find(({ pid }) => pid === process.pid);
  expect(own?.parent).toBe(process.ppid);
  expect(own?.cpuSeconds).toBeGreaterThan(0);
});

test("the busiest process of a tree is found by what it used between two looks", () => {
  const at = (...used: readonly number[]) =>
    used.map((cpuSeconds, i) => ({ pid: i + 1, parent: 0, cpuSeconds }));
  expect(busiestShare(at(9, 1, 0), at(9, 4, 1))).toBe(0.75);
  expect(busiestShare(at(1), at(1))).toBeNaN();
});
