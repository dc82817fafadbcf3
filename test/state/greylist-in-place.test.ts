import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GreylistInPlace, type Asked } from "../../src/state/greylist-in-place.ts";
import { weigh, type GreylistQuestion, type Written } from "../../src/state/greylist-store.ts";
import type { Look } from "../../src/state/sqlite-greylist.ts";
import { question, TIMES } from "../contract/state.ts";

/** What is stored never changes: all that is remembered beyond it is remembered by the one under test. */
function rig(over: { readSlowly?: boolean; broken?: boolean } = {}) {
  const written: Asked[][] = [];
  const settle: { resolve(): void; reject(error: Error): void }[] = [];
  const asked: (readonly GreylistQuestion[])[] = [];
  const state = { ...over, threadFails: false };
  const look: Look = ({ sender, recipient, origins }, times, now, pending) => {
    if (state.broken === true) throw new Error("disk image is malformed");
    if (state.readSlowly === true) vi.advanceTimersByTime(9);
    const pair = `${sender} ${recipient}`;
    const told = pending?.(pair);
    const known: readonly Written[] = origins.flatMap((origin) => told?.get(origin) ?? []);
    const { answer, write } = weigh(known, known.length === origins.length, times, now);
    return { pair, answer, state: write, refresh: null };
  };
  const store = new GreylistInPlace({
    look,
    async ask(questions) {
      asked.push(questions);
      if (state.threadFails) throw new Error("down");
      return questions.map(() => ({ result: "new", missing: 0, first: 0, passed: 0, attempts: 9 }));
    },
    write: (batch) =>
      new Promise((resolve, reject) => {
        written.push([...batch]);
        settle.push({ resolve: () => resolve(null), reject });
      }),
    refresh() {},
    close() {},
  });
  const ask = async (q: GreylistQuestion, now: number) => (await store.ask([q], TIMES, now))[0];
  return { store, state, ask, written, settle, asked };
}

describe("greylist decisions in place", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("are told at once, remembered, and written together", async () => {
    const { ask, written, asked, store } = rig();
    expect(await ask(question(), 1)).toMatchObject({ result: "new", attempts: 1 });
    expect(await ask(question(), 2)).toMatchObject({ result: "early", attempts: 2 });
    expect(store.idle).toBe(false);
    vi.advanceTimersByTime(100);
    expect(written.map((batch) => batch.map(([, now]) => now))).toEqual([[1, 2]]);
    // Not written yet: it still knows.
    expect(await ask(question(), 3)).toMatchObject({ result: "early", attempts: 3 });
    expect(asked).toEqual([]);
  });

  test("of several batches that are being written all count, the newest first", async () => {
    const { ask, settle, store } = rig();
    const from = (...origins: string[]) => question({ origins });
    await ask(from("net:1"), 1);
    store.flush();
    await ask(from("net:1"), 2);
    await ask(from("net:2"), 3);
    store.flush();
    await ask(from("net:3"), 4);
    expect(await ask(from("net:1"), 5)).toMatchObject({ result: "early", attempts: 3 });
    expect(await ask(from("net:2"), 6)).toMatchObject({ result: "early", attempts: 2 });
    expect(await ask(from("net:3"), 7)).toMatchObject({ result: "early", attempts: 2 });
    settle[0]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(await ask(from("net:1"), 8)).toMatchObject({ result: "early", attempts: 4 });
    store.flush();
    settle[2]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    // What the rig stores never changes: without the third batch the second one says what it told.
    expect(await ask(from("net:1"), 9)).toMatchObject({ result: "early", attempts: 3 });
  });

  test("are forgotten here once they are written", async () => {
    const { ask, settle, store } = rig();
    await ask(question(), 1);
    store.flush();
    settle[0]?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(store.idle).toBe(true);
    // The file of this rig knows nothing.
    expect(await ask(question(), 2)).toMatchObject({ result: "new" });
  });

  test("come from the thread while what was told cannot be written, and afterwards from here again", async () => {
    const { ask, asked, settle, state, store } = rig();
    await ask(question(), 1);
    store.flush();
    vi.advanceTimersByTime(249);
    await ask(question(), 2);
    expect(asked).toHaveLength(0);
    vi.advanceTimersByTime(2);
    state.threadFails = true;
    await expect(ask(question(), 3)).rejects.toThrow("down");
    settle[0]?.reject(new Error("disk full"));
    await vi.advanceTimersByTimeAsync(0);
    for (const one of settle.slice(1)) one.resolve();
    await vi.advanceTimersByTimeAsync(0);
    await expect(ask(question(), 4)).rejects.toThrow("down");
    state.threadFails = false;
    expect(await ask(question(), 5)).toMatchObject({ attempts: 9 });
    const before = asked.length;
    expect(await ask(question(), 6)).toMatchObject({ result: "new" });
    expect(asked).toHaveLength(before);
  });

  test("come from the thread for ten seconds when reads take a quarter of the time", async () => {
    const { ask, asked, state, settle, store } = rig({ readSlowly: true });
    const settled = async () => {
      store.flush();
      for (const one of settle) one.resolve();
      await vi.advanceTimersByTimeAsync(0);
    };
    for (let n = 0; n < 27; n++) {
      await ask(question(), n);
      await settled();
    }
    expect(asked).toHaveLength(0);
    await ask(question(), 100);
    await settled();
    state.readSlowly = false;
    await ask(question(), 101);
    expect(asked).toHaveLength(1);
    vi.advanceTimersByTime(10_000);
    await ask(question(), 102);
    expect(asked).toHaveLength(1);
  });

  test("come from the thread when the file cannot be read", async () => {
    const { ask, asked } = rig({ broken: true });
    expect(await ask(question(), 1)).toMatchObject({ attempts: 9 });
    expect(asked).toHaveLength(1);
  });

  test("come from the thread while an accepted triplet of the client is being counted", async () => {
    const { ask, asked, settle } = rig();
    const [first, later] = [1, 1 + TIMES.delay];
    await ask(question(), first);
    expect(await ask(question(), later)).toMatchObject({ result: "accepted" });
    await ask(question({ sender: "another@example.org" }), later + 1);
    expect(asked).toHaveLength(1);
    vi.advanceTimersByTime(100);
    for (const one of settle) one.resolve();
    await vi.advanceTimersByTimeAsync(0);
    await ask(question({ sender: "third@example.org" }), later + 2);
    expect(asked).toHaveLength(1);
  });

  test("can be looked at without being told", async () => {
    const { store } = rig();
    expect(store.peek([question()], TIMES, 1)).toMatchObject([{ result: "new" }]);
    expect(store.idle).toBe(true);
  });
});
