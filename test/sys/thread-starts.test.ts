// When a pool tries another thread after one that did not even start.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Starts } from "../../src/sys/thread-starts.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("one is tried after a pause, which grows, and nobody else meanwhile", () => {
  const starts = new Starts();
  starts.begun();
  expect(starts.refusal()).toBeNull();
  const pauses: number[] = [];
  for (let n = 0; n < 9; n++) {
    starts.failed("no memory");
    expect(starts.refusal()).toBe("threads do not start: no memory");
    let seconds = 0;
    for (; starts.refusal() !== null; seconds++) vi.advanceTimersByTime(1000);
    pauses.push(seconds);
    starts.begun();
    expect(starts.refusal()).not.toBeNull();
  }
  expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600]);
});

it("all is forgotten when one starts; one that was ended early says nothing", () => {
  const starts = new Starts();
  starts.failed("no memory");
  vi.advanceTimersByTime(10_000);
  starts.begun();
  starts.givenUp();
  expect(starts.refusal()).toBeNull();
  starts.begun();
  starts.succeeded();
  expect(starts.refusal()).toBeNull();
  starts.failed("again");
  vi.advanceTimersByTime(10_000);
  expect(starts.refusal()).toBeNull();
});
