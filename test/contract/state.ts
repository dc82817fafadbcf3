// What every state store keeps. Run it with a rig of your own: `stateContract("sqlite", async () => ({ … }))`. Times are the
// caller's: no test waits.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  weigh,
  type GreylistAnswer,
  type GreylistQuestion,
  type GreylistTimes,
  type TripletState,
} from "../../src/state/greylist-store.ts";
import { KNOWN_MS } from "../../src/state/known-people.ts";
import { REMEMBER_MS } from "../../src/state/handed-on.ts";
import type { Store } from "../../src/state/store.ts";

export interface StateRig {
  readonly store: Store;
  /** A second connection to the same state, as another process has it. */
  readonly other: Store;
  close(): Promise<void>;
}

const S = 1000;
const MIN = 60 * S;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;
export const TIMES: GreylistTimes = {
  delay: 5 * MIN,
  window: 2 * DAY,
  lifetime: 35 * DAY,
  autoWhitelist: 5,
  countEvery: HOUR,
};

export function question(over: Partial<GreylistQuestion> = {}): GreylistQuestion {
  return {
    sender: "a@example.org",
    recipient: "b@example.net",
    origins: ["net:192.0.2.0/24"],
    clients: ["net:192.0.2.0/24"],
    person: null,
    ...over,
  };
}

/** Declares the suite; every test opens a rig of its own, empty. */
export function stateContract(name: string, open: () => Promise<StateRig>): void {
  const withRig = (title: string, run: (rig: StateRig) => Promise<void>): void => {
    test(title, async () => {
      const rig = await open();
      try {
        await run(rig);
      } finally {
        await rig.close();
      }
    });
  };
  const T0 = Date.now();
  const ask = async (store: Store, q: GreylistQuestion, at: number): Promise<GreylistAnswer> => {
    const [answer] = await store.greylist.ask([q], TIMES, T0 + at);
    if (answer === undefined) throw new Error("no answer");
    return answer;
  };

  describe(`${name}: greylist`, () => {
    withRig("new, early with what is missing, accepted, passed", async ({ store }) => {
      expect(await ask(store, question(), 0)).toEqual({
        result: "new",
        missing: 5 * MIN,
        first: T0,
        passed: 0,
        attempts: 1,
      });
      expect(await ask(store, question(), 37 * S)).toMatchObject({
        result: "early",
        missing: 263 * S,
        attempts: 2,
      });
      expect(await ask(store, question(), 5 * MIN - 1)).toMatchObject({
        result: "early",
        missing: 1,
      });
      expect(await ask(store, question(), 312 * S)).toEqual({
        result: "accepted",
        missing: 0,
        first: T0,
        passed: T0 + 312 * S,
        attempts: 4,
      });
      expect(await ask(store, question(), 20 * DAY)).toMatchObject({
        result: "passed",
        first: T0,
        passed: T0 + 312 * S,
      });
    });

    withRig("the window closes: who comes back after it is new", async ({ store }) => {
      await ask(store, question(), 0);
      expect(await ask(store, question(), 2 * DAY - 1)).toMatchObject({ result: "accepted" });
      await ask(store, question({ recipient: "c@example.net" }), 0);
      const late = question({ recipient: "c@example.net" });
      expect(await ask(store, late, 2 * DAY)).toMatchObject({ result: "new" });
    });

    withRig("a lifetime runs from the last mail", async ({ store }) => {
      await ask(store, question(), 0);
      await ask(store, question(), 6 * MIN);
      expect(await ask(store, question(), 30 * DAY)).toMatchObject({ result: "passed" });
      expect(await ask(store, question(), 64 * DAY)).toMatchObject({ result: "passed" });
      expect(await ask(store, question(), 64 * DAY + 35 * DAY)).toMatchObject({ result: "new" });
    });

    withRig(
      "any origin that waited is enough, and makes the others wait no more",
      async ({ store }) => {
        const from = (net: number, ...more: string[]): GreylistQuestion =>
          question({ origins: [`net:198.51.${net}.0/24`, ...more], clients: [] });
        await ask(store, from(1, "dom:pool.example"), 0);
        expect(await ask(store, from(2, "dom:pool.example"), 6 * MIN)).toMatchObject({
          result: "accepted",
        });
        expect(await ask(store, from(2), 7 * MIN)).toMatchObject({ result: "passed" });
        expect(await ask(store, from(1), 7 * MIN)).toMatchObject({ result: "accepted" });
      },
    );

    withRig(
      "a forged sender that comes from everywhere has a record for each",
      async ({ store }) => {
        const from = (net: number): GreylistQuestion =>
          question({ origins: [`net:198.51.${net}.0/24`, `dom:n${net}.example`], clients: [] });
        const nets = Array.from({ length: 40 }, (_, n) => n);
        for (const net of nets)
          expect(await ask(store, from(net), 0)).toMatchObject({ attempts: 1 });
        // All that was told is written when this returns.
        expect(await store.greylist.records({}, 500, T0)).toHaveLength(80);
        for (const net of nets)
          expect(await ask(store, from(net), MIN)).toMatchObject({ result: "early", attempts: 2 });
        expect(await ask(store, from(40), MIN)).toMatchObject({ result: "new" });
        await store.greylist.allowPair("a@example.org", "b@example.net", DAY, T0 + MIN);
        expect(await ask(store, from(41), 2 * MIN)).toMatchObject({ result: "passed" });
      },
    );

    withRig("sender, recipient and origin each make a triplet", async ({ store }) => {
      await ask(store, question(), 0);
      for (const other of [
        question({ sender: "x@example.org" }),
        question({ recipient: "x@example.net" }),
        question({ origins: ["net:203.0.113.0/24"] }),
        question({ sender: "a@example.orgb", recipient: "@example.net" }),
      ]) {
        expect(await ask(store, other, 6 * MIN)).toMatchObject({ result: "new" });
      }
    });

    withRig(
      "after five accepted triplets the sixth does not wait; one count an hour",
      async ({ store }) => {
        const nth = (n: number): GreylistQuestion => question({ recipient: `r${n}@example.net` });
        for (let n = 1; n <= 5; n++) {
          expect(await ask(store, nth(n), n * 2 * HOUR)).toMatchObject({ result: "new" });
          expect(await ask(store, nth(n), n * 2 * HOUR + 6 * MIN)).toMatchObject({
            result: "accepted",
          });
          // A second triplet within the hour counts nothing.
          await ask(store, question({ sender: `s${n}@example.org` }), n * 2 * HOUR);
          await ask(store, question({ sender: `s${n}@example.org` }), n * 2 * HOUR + 7 * MIN);
          await store.greylist.peek([nth(n)], TIMES, T0);
          const client = await store.greylist.client("net:192.0.2.0/24", T0 + 11 * HOUR);
          expect(client?.accepted).toBe(n);
        }
        expect(await ask(store, nth(6), 11 * HOUR)).toEqual({
          result: "client",
          missing: 0,
          first: 0,
          passed: 0,
          attempts: 0,
        });
        expect(
          await ask(store, question({ origins: ["net:x"], clients: ["net:x"] }), 11 * HOUR),
        ).toMatchObject({ result: "new" });
        // Use keeps a client on the list; 35 days without mail end it.
        expect(await ask(store, nth(7), 30 * DAY)).toMatchObject({ result: "client" });
        expect(await ask(store, nth(8), 66 * DAY)).toMatchObject({ result: "new" });
      },
    );

    withRig("auto_whitelist 0 never lists a client", async ({ store }) => {
      await store.greylist.allowClient("net:192.0.2.0/24", DAY, T0);
      const [answer] = await store.greylist.ask([question()], { ...TIMES, autoWhitelist: 0 }, T0);
      expect(answer?.result).toBe("new");
    });

    withRig("people that our users wrote to do not wait, for 60 days", async ({ store }) => {
      await store.people.remember(["a@example.org"], T0);
      const q = question({ person: "a@example.org" });
      expect(await ask(store, q, 0)).toMatchObject({ result: "person", first: 0 });
      expect(await store.people.has("a@example.org", T0 + KNOWN_MS - 1)).toBe(true);
      expect(await store.people.has("a@example.org", T0 + KNOWN_MS)).toBe(false);
      expect(await ask(store, q, KNOWN_MS)).toMatchObject({ result: "new" });
    });

    withRig("peek answers as ask would and writes nothing", async ({ store }) => {
      const peek = async (at: number): Promise<string | undefined> =>
        (await store.greylist.peek([question()], TIMES, T0 + at))[0]?.result;
      expect(await peek(0)).toBe("new");
      expect(await peek(DAY)).toBe("new");
      expect(await store.greylist.records({}, 10, T0)).toEqual([]);
      await ask(store, question(), 0);
      expect(await peek(6 * MIN)).toBe("accepted");
      expect(await peek(7 * MIN)).toBe("accepted");
      expect(await store.greylist.client("net:192.0.2.0/24", T0)).toBeNull();
    });

    withRig("several questions are one wait and each its own decision", async ({ store }) => {
      const both = [question(), question({ recipient: "c@example.net" })];
      await ask(store, question(), 0);
      const answers = await store.greylist.ask(both, TIMES, T0 + 6 * MIN);
      expect(answers.map((answer) => answer.result)).toEqual(["accepted", "new"]);
    });

    withRig("list, allow, clear", async ({ store }) => {
      await ask(store, question(), 0);
      await ask(store, question({ recipient: "c@example.net" }), 1);
      expect(await store.greylist.records({ recipient: "c@example.net" }, 10, T0 + 2)).toEqual([
        {
          origin: "net:192.0.2.0/24",
          sender: "a@example.org",
          recipient: "c@example.net",
          first: T0 + 1,
          last: T0 + 1,
          attempts: 1,
          passed: 0,
          until: T0 + 1 + 2 * DAY,
        },
      ]);
      expect(await store.greylist.records({}, 1, T0)).toHaveLength(1);
      await store.greylist.allowPair("a@example.org", "b@example.net", 35 * DAY, T0);
      const elsewhere = question({ origins: ["net:203.0.113.0/24"] });
      expect(await ask(store, elsewhere, 1)).toMatchObject({ result: "passed" });
      await store.greylist.allowClient("net:192.0.2.0/24", DAY, T0);
      expect(await ask(store, question({ sender: "q@example.org" }), 2)).toMatchObject({
        result: "client",
      });
      expect(await store.greylist.clearClient("net:192.0.2.0/24")).toBe(true);
      expect(await store.greylist.clearClient("net:192.0.2.0/24")).toBe(false);
      const pair = { sender: "a@example.org", recipient: "b@example.net" };
      expect(await store.greylist.clear(pair)).toBe(3);
      expect(await ask(store, question(), 7 * MIN)).toMatchObject({ result: "new" });
      // A cluster also has a record of the mail that the white-list let through.
      expect([2, 3]).toContain(await store.greylist.clear({}));
      expect(await store.greylist.records({}, 10, T0)).toEqual([]);
    });

    withRig("one process that asks at once counts one first try", async ({ store }) => {
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, n) => ask(store, question(), n)),
      );
      expect(answers.filter(({ result }) => result === "new")).toHaveLength(1);
      expect(Math.max(...answers.map(({ attempts }) => attempts))).toBe(40);
      const [record] = await store.greylist.records({}, 2, T0);
      expect(record).toMatchObject({ first: T0, attempts: 40 });
    });

    withRig("of two that ask at once nobody waits twice", async ({ store, other }) => {
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, n) => ask(n % 2 === 0 ? store : other, question(), n)),
      );
      // Each process may not have heard of the other's first try yet; both are the same try for the record.
      expect(answers.filter(({ result }) => result === "new").length).toBeLessThanOrEqual(2);
      const records = await Promise.all(
        [store, other].map(({ greylist }) => greylist.records({}, 2, T0)),
      );
      for (const [record, ...more] of records) {
        expect(record?.first).toBeLessThanOrEqual(T0 + 1);
        expect(more).toEqual([]);
      }
      expect(await ask(other, question(), 6 * MIN)).toMatchObject({ result: "accepted" });
    });

    withRig("hostile text is only text", async ({ store }) => {
      const nasty = question({
        sender: "a'; DROP TABLE greylist;--\u0000\r\n*{x}@example.org",
        recipient: "\ud83d\ude00\u202e{b}@example.net",
        origins: ["body:} *?[a]"],
        clients: ["dom:{*} '"],
      });
      await ask(store, nasty, 0);
      expect(await ask(store, nasty, 6 * MIN)).toMatchObject({ result: "accepted" });
      const [record] = await store.greylist.records({ sender: nasty.sender }, 10, T0 + MIN);
      expect(record?.recipient).toBe(nasty.recipient);
    });

    withRig("decides as weigh() does, whatever the order of events", async ({ store }) => {
      const origins = ["net:1", "net:2", "dom:3", "body:4"];
      const event = fc.record({
        wait: fc.integer({ min: 0, max: 4 * DAY }),
        origins: fc.uniqueArray(fc.constantFrom(...origins), { minLength: 1 }),
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 12 }), async (events) => {
          const model = new Map<string, TripletState & { until: number }>();
          const sender = `model${run++}@example.org`;
          let at = 0;
          for (const { wait, origins: from } of events) {
            at += wait % 3 === 0 ? wait % (10 * MIN) : wait;
            const now = T0 + at;
            const live = from.flatMap((origin) => {
              const state = model.get(origin);
              return state !== undefined && state.until > now ? [state] : [];
            });
            const { answer, write } = weigh(live, live.length === from.length, TIMES, now);
            if (write !== null) for (const origin of from) model.set(origin, write);
            const q = question({ sender, origins: from, clients: [] });
            expect(await ask(store, q, at)).toEqual(answer);
          }
        }),
        { numRuns: 40 },
      );
    });
  });

  describe(`${name}: rates`, () => {
    withRig("counts up to the limit and no further, until the window ends", async ({ store }) => {
      const take = (instance: string, amount: number, at: number) =>
        store.rates.take("login:joe", instance, amount, 10, HOUR, T0 + at);
      expect(await take("", 4, 0)).toEqual({ count: 4, allowed: true });
      expect(await take("", 6, 1)).toEqual({ count: 10, allowed: true });
      expect(await take("", 1, 2)).toEqual({ count: 10, allowed: false });
      expect(await take("", 1, HOUR - 1)).toEqual({ count: 10, allowed: false });
      expect(await take("", 1, HOUR)).toEqual({ count: 1, allowed: true });
      expect(await store.rates.take("login:ann", "", 1, 10, HOUR, T0)).toEqual({
        count: 1,
        allowed: true,
      });
    });

    withRig("an instance counts once and gets its first answer again", async ({ store, other }) => {
      const take = (of: Store, instance: string, at: number) =>
        of.rates.take("k", instance, 1, 2, HOUR, T0 + at);
      expect(await take(store, "m1", 0)).toEqual({ count: 1, allowed: true });
      expect(await take(other, "m1", 1)).toEqual({ count: 1, allowed: true });
      expect(await take(store, "m2", 2)).toEqual({ count: 2, allowed: true });
      expect(await take(store, "m3", 3)).toEqual({ count: 2, allowed: false });
      expect(await take(other, "m3", 4)).toEqual({ count: 2, allowed: false });
      expect(await take(store, "m1", 5)).toEqual({ count: 1, allowed: true });
      expect(await take(store, "m1", 2 * HOUR)).toEqual({ count: 1, allowed: true });
    });

    withRig("a claim is one process', until it is given back", async ({ store, other }) => {
      const claim = (of: Store, amount: number, at: number) =>
        of.rates.take("release x", "", amount, 1, HOUR, T0 + at);
      const both = await Promise.all([claim(store, 1, 0), claim(other, 1, 0)]);
      expect(both.filter(({ allowed }) => allowed)).toHaveLength(1);
      expect(await claim(other, 1, 1)).toEqual({ count: 1, allowed: false });
      expect(await claim(store, -1, 2)).toEqual({ count: 0, allowed: true });
      expect(await claim(other, 1, 3)).toEqual({ count: 1, allowed: true });
      expect(await claim(store, 1, HOUR - 1)).toEqual({ count: 1, allowed: false });
    });

    withRig("two processes never let more through than the limit", async ({ store, other }) => {
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          (n % 2 === 0 ? store : other).rates.take("k", `m${n}`, 1, 25, HOUR, T0 + n),
        ),
      );
      expect(answers.filter(({ allowed }) => allowed)).toHaveLength(25);
    });
  });

  describe(`${name}: handed on`, () => {
    withRig("remembers keys for six days, for every process", async ({ store, other }) => {
      await store.handedOn.remember(["k1", "k2"], T0);
      expect(other.handedOn.empty).toBe(false);
      expect(await other.handedOn.has(["k1", "k3", "k2"], T0 + REMEMBER_MS - 1)).toEqual([
        true,
        false,
        true,
      ]);
      expect(await store.handedOn.has(["k1"], T0 + REMEMBER_MS)).toEqual([false]);
    });
  });
}
