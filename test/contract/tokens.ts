// What every store of Bayes' tokens keeps; run with the rig of state.ts. Times are the caller's: no test waits.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EXPIRE_YOUNGEST,
  lessonKey,
  MAX_LESSON,
  type Label,
  type Lesson,
  type TokenRow,
  type TokenStore,
} from "../../src/state/token-store.ts";
import type { StateRig } from "./state.ts";

const NOW = Date.now();
const AT = Math.floor(NOW / 1000);
const DAY = 86_400_000;
/** The largest id that there is. */
const LAST = 2 ** 40 - 1;

export function lesson(over: Partial<Lesson> = {}): Lesson {
  return {
    keys: [lessonKey("one@sa_generated")],
    label: "spam",
    tokens: [1, 2, LAST],
    at: AT,
    mailbox: "",
    timid: false,
    rememberMs: 30 * DAY,
    ...over,
  };
}

async function look(store: TokenStore, ids: readonly number[]): Promise<TokenRow[]> {
  return [...(await store.look(ids))].sort((a, b) => a.id - b.id);
}

/** Declares the suite; every test opens a rig of its own, empty. */
export function tokensContract(name: string, open: () => Promise<StateRig>): void {
  const withRig = (
    title: string,
    run: (tokens: TokenStore, other: TokenStore) => Promise<void>,
  ): void => {
    test(title, async () => {
      const rig = await open();
      try {
        await run(rig.store.tokens, rig.other.tokens);
      } finally {
        await rig.close();
      }
    });
  };

  describe(`${name}: tokens`, () => {
    withRig(
      "counts what two processes learn, and finds only what is known",
      async (store, other) => {
        expect(await store.totals()).toEqual({ spam: 0, ham: 0 });
        expect(await store.look([1, 2])).toEqual([]);
        expect(await store.learn(lesson(), NOW)).toBe("learned");
        const ham = lesson({ keys: [lessonKey("two")], label: "ham", tokens: [2, 3], at: AT + 5 });
        expect(await other.learn(ham, NOW)).toBe("learned");
        expect(await look(other, [0, 1, 2, 3, 4, LAST])).toEqual([
          { id: 1, spam: 1, ham: 0, seen: AT },
          { id: 2, spam: 1, ham: 1, seen: AT + 5 },
          { id: 3, spam: 0, ham: 1, seen: AT + 5 },
          { id: LAST, spam: 1, ham: 0, seen: AT },
        ]);
        expect(await store.totals()).toEqual({ spam: 1, ham: 1 });
        expect(await store.look([])).toEqual([]);
      },
    );

    withRig("learns no message twice, by any of its keys", async (store, other) => {
      await store.learn(lesson(), NOW);
      expect(await other.learn(lesson({ tokens: [9] }), NOW)).toBe("known");
      const second = lesson({ keys: [lessonKey("other"), ...lesson().keys] });
      expect(await other.learn(second, NOW)).toBe("known");
      expect(await store.totals()).toEqual({ spam: 1, ham: 0 });
      expect(await look(store, [1, 9])).toEqual([{ id: 1, spam: 1, ham: 0, seen: AT }]);
      expect(await store.learned(lesson().keys, NOW)).toEqual({ label: "spam", mailbox: "" });
      expect(await store.learned([lessonKey("nobody")], NOW)).toBeNull();
      const hers = lesson({ keys: [lessonKey("hers")], mailbox: "a@example.org" });
      await store.learn(hers, NOW);
      expect(await store.learned(hers.keys, NOW)).toEqual({
        label: "spam",
        mailbox: "a@example.org",
      });
    });

    withRig("takes back before it learns the opposite, unless it is timid", async (store) => {
      await store.learn(lesson(), NOW);
      expect(await store.learn(lesson({ label: "ham", timid: true }), NOW)).toBe("known");
      expect(await store.learned(lesson().keys, NOW)).toMatchObject({ label: "spam" });
      expect(await store.learn(lesson({ label: "ham", at: AT + 9 }), NOW)).toBe("relearned");
      expect(await store.learned(lesson().keys, NOW)).toMatchObject({ label: "ham" });
      expect(await store.totals()).toEqual({ spam: 0, ham: 1 });
      expect((await look(store, [1]))[0]).toMatchObject({ spam: 0, ham: 1 });
    });

    withRig("forgets a message and leaves nothing of it", async (store) => {
      await store.learn(lesson(), NOW);
      await store.learn(lesson({ keys: [lessonKey("two")], tokens: [2] }), NOW);
      expect(await store.forget(lesson().keys, lesson().tokens, NOW)).toBe("spam");
      expect(await store.forget(lesson().keys, lesson().tokens, NOW)).toBeNull();
      expect(await look(store, [1, 2, LAST])).toEqual([{ id: 2, spam: 1, ham: 0, seen: AT }]);
      expect(await store.totals()).toEqual({ spam: 1, ham: 0 });
      expect(await store.learn(lesson(), NOW)).toBe("learned");
    });

    withRig(
      "forgets all that a mailbox taught, by the tokens that it kept",
      async (store, other) => {
        const taught = (n: number, mailbox: string, label: Label): Lesson =>
          lesson({ keys: [lessonKey(`m${n}`)], tokens: [100 + n, 7], mailbox, label });
        for (let n = 0; n < 5; n++) await store.learn(taught(n, "a@example.org", "spam"), NOW);
        await store.learn(taught(5, "b@example.org", "ham"), NOW);
        await store.learn(taught(6, "", "ham"), NOW);
        expect(await store.summary(NOW)).toEqual({
          spam: 5,
          ham: 2,
          tokens: 8,
          oldest: AT,
          newest: AT,
          expired: 0,
          mailboxes: [
            { mailbox: "a@example.org", messages: 5 },
            { mailbox: "b@example.org", messages: 1 },
          ],
        });
        expect(await other.forgetMailbox("a@example.org", 3, NOW)).toBe(3);
        expect(await other.forgetMailbox("a@example.org", 3, NOW)).toBe(2);
        expect(await other.forgetMailbox("a@example.org", 3, NOW)).toBe(0);
        expect(await look(store, [7, 100, 104, 105])).toEqual([
          { id: 7, spam: 0, ham: 2, seen: AT },
          { id: 105, spam: 0, ham: 1, seen: AT },
        ]);
        expect((await store.summary(NOW)).mailboxes).toEqual([
          { mailbox: "b@example.org", messages: 1 },
        ]);
        // The kept tokens count, not those that are given.
        expect(await store.forget([lessonKey("m5")], [1, 2, 3], NOW)).toBe("ham");
        expect(await look(store, [105])).toEqual([]);
        expect((await store.summary(NOW)).mailboxes).toEqual([]);
      },
    );

    withRig("notes when a token was last of use, and never an earlier time", async (store) => {
      await store.learn(lesson(), NOW);
      await store.touch([1, 5], AT + 100);
      await store.touch([1, 2], AT + 50);
      await store.touch([], AT + 500);
      expect(await look(store, [1, 2, 5])).toMatchObject([
        { id: 1, seen: AT + 100 },
        { id: 2, seen: AT + 50 },
      ]);
    });

    withRig("expires what was longest of no use, and nothing young", async (store) => {
      const days = (n: number): number => AT - n * 86_400;
      const from = (n: number): number[] => Array.from({ length: 100 }, (_, i) => n * 1000 + i);
      for (let n = 0; n < 10; n++)
        await store.learn(
          lesson({ keys: [lessonKey(`d${n}`)], tokens: from(n), at: days(n) }),
          NOW,
        );
      expect(await store.expire(1000, NOW)).toBe(0);
      // 1000 tokens of ten days, 900 allowed, 675 are to be left.
      expect(await store.expire(900, NOW)).toBe(300);
      expect(await store.summary(NOW)).toMatchObject({
        tokens: 700,
        oldest: days(6),
        newest: AT,
        expired: NOW,
        spam: 10,
      });
      expect(await store.expire(10, NOW)).toBe(600);
      expect(await store.summary(NOW)).toMatchObject({ tokens: 100 });
      await store.touch(from(0).slice(0, 10), AT + EXPIRE_YOUNGEST);
      expect(await store.expire(10, NOW)).toBe(0);
      await store.touch(from(0).slice(0, 10), AT + EXPIRE_YOUNGEST + 1);
      expect(await store.expire(10, NOW)).toBe(90);
    });

    withRig("takes a lesson of the largest size", async (store) => {
      const tokens = Array.from({ length: MAX_LESSON }, (_, n) => LAST - n);
      await store.learn(lesson({ tokens, mailbox: "a@example.org" }), NOW);
      expect(await store.look(tokens)).toHaveLength(MAX_LESSON);
      expect(await store.forgetMailbox("a@example.org", 10, NOW)).toBe(1);
      expect((await store.summary(NOW)).tokens).toBe(0);
    });

    withRig(
      "whatever is learned and forgotten, the counts are those of what is left",
      async (store) => {
        const step = fc.record({
          key: fc.constantFrom("a", "b", "c", "d"),
          label: fc.constantFrom<Label>("spam", "ham"),
          mailbox: fc.constantFrom("", "x@example.org"),
          forget: fc.boolean(),
        });
        const tokensOf = (key: string): number[] => [1, key.charCodeAt(0), key.charCodeAt(0) + 1];
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
            const left = new Map<string, Label>();
            for (const { key, label, mailbox, forget } of steps) {
              const keys = [lessonKey(key)];
              if (forget) {
                expect(await store.forget(keys, tokensOf(key), NOW)).toBe(left.get(key) ?? null);
                left.delete(key);
              } else {
                await store.learn(lesson({ keys, label, mailbox, tokens: tokensOf(key) }), NOW);
                left.set(key, label);
              }
            }
            const count = (label: Label, id: number): number =>
              [...left].filter(([key, as]) => as === label && tokensOf(key).includes(id)).length;
            for (const { id, spam, ham } of await store.look([1, 97, 98, 99, 100, 101]))
              expect([id, spam, ham]).toEqual([id, count("spam", id), count("ham", id)]);
            const labels = [...left.values()];
            const spam = labels.filter((label) => label === "spam").length;
            expect(await store.totals()).toEqual({ spam, ham: labels.length - spam });
            for (const key of left.keys()) await store.forget([lessonKey(key)], tokensOf(key), NOW);
            expect((await store.summary(NOW)).tokens).toBe(0);
          }),
          { numRuns: 20 },
        );
      },
    );
  });
}
