import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
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

  it("leaves nothing behind that makes young garbage old", () => {
    const open: Deadline[] = [];
    const pass = (times: number): void => {
      for (let n = 0; n < times; n++) {
        const waited = new Array<number>(100).fill(n);
        open.push(deadline(5000, () => waited.fill(0)));
        const [oldest] = open.length > 8 ? open.splice(0, 1) : [];
        if (oldest !== undefined) clearDeadline(oldest);
      }
    };
    pass(20);
    // What is open now is old.
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    collect();
    collect();
    let grown = 0;
    for (let round = 0; round < 20; round++) {
      const before = old();
      pass(5000);
      grown += Math.max(0, old() - before);
    }
    // 80 MB came and went.
    expect(grown / 1e6).toBeLessThan(5);
  });
});

/** Octets of old objects. */
const old = (): number =>
  getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ??
  NaN;
