import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { clearDeadline, deadline, type Deadline } from "../../src/sys/deadlines.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.advanceTimersByTime(10_000_000);
  vi.useRealTimers();
});

describe("deadlines", () => {
  it("fires each once and in time, whatever is taken back between", () => {
    const step = fc.record({
      ms: fc.integer({ min: 0, max: 5000 }),
      clear: fc.boolean(),
      pass: fc.integer({ min: 0, max: 700 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const fired = new Map<number, number>();
        const expected: [number, number][] = [];
        for (const [n, { ms, clear, pass }] of steps.entries()) {
          const start = performance.now();
          const one = deadline(ms, () => {
            expect(fired.has(n)).toBe(false);
            fired.set(n, performance.now());
          });
          vi.advanceTimersByTime(pass);
          if (clear) clearDeadline(one);
          if (!clear || fired.has(n)) expected.push([n, start + ms]);
        }
        vi.advanceTimersByTime(10_000);
        expect([...fired.keys()].sort((a, b) => a - b)).toEqual(expected.map(([n]) => n));
        for (const [n, due] of expected)
          expect(Math.abs((fired.get(n) ?? NaN) - due)).toBeLessThanOrEqual(2);
      }),
    );
  });

  it("lets one that fires take another one back, and set a new one", () => {
    const fired: string[] = [];
    let second: Deadline | null = null;
    deadline(10, () => {
      fired.push("first");
      if (second !== null) clearDeadline(second);
      deadline(5, () => fired.push("third"));
    });
    second = deadline(10, () => fired.push("second"));
    vi.advanceTimersByTime(100);
    expect(fired).toEqual(["first", "third"]);
  });
});
