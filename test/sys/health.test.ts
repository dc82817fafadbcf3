// Something that is asked falls silent: doubt, rest, and waking up, with a clock of the test's own.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { health } from "../../src/sys/health.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watched(answers: boolean[]) {
  let pings = 0;
  const told: boolean[] = [];
  const it = health({
    ping: async () => answers[pings++] ?? false,
    onRest: (resting) => told.push(resting),
  });
  return { it, told, pings: () => pings };
}

const silences = (it: { silent(): void }, count: number): void => {
  for (let i = 0; i < count; i++) it.silent();
};

test("three silences are not even a doubt, and a word forgets them", async () => {
  const { it, pings } = watched([]);
  silences(it, 3);
  it.spoke();
  silences(it, 3);
  await vi.advanceTimersByTimeAsync(5000);
  expect([it.resting, pings()]).toEqual([false, 0]);
});

test("who answers the ping does not rest", async () => {
  const { it, told, pings } = watched([true]);
  silences(it, 4);
  await vi.advanceTimersByTimeAsync(5000);
  expect([it.resting, pings(), told]).toEqual([false, 1, []]);
});

test("who does not is asked every second until it speaks", async () => {
  const { it, told, pings } = watched([false, false, false, true]);
  silences(it, 9);
  await vi.advanceTimersByTimeAsync(0);
  expect([it.resting, pings()]).toEqual([true, 1]);
  silences(it, 9);
  await vi.advanceTimersByTimeAsync(2500);
  expect([it.resting, pings()]).toEqual([true, 3]);
  await vi.advanceTimersByTimeAsync(1000);
  expect([it.resting, pings(), told]).toEqual([false, 4, [true, false]]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(pings()).toBe(4);
});

test("nobody is asked after the close", async () => {
  const { it, pings } = watched([]);
  silences(it, 4);
  await vi.advanceTimersByTimeAsync(0);
  it.close();
  await vi.advanceTimersByTimeAsync(5000);
  expect(pings()).toBe(1);
});
