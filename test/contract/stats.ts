// What every store of statistics keeps; run with the rig of state.ts. Times are the caller's: no test waits.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  KEPT,
  OTHER,
  SPANS,
  startOf,
  STAT_KINDS,
  type Span,
  type StatCount,
  type StatKind,
  type StatsStore,
} from "../../src/state/stats-store.ts";
import type { StateRig } from "./state.ts";

const NOW = Date.now();
const HOUR = startOf("hour", NOW);

let ids = 0;
const add = (store: StatsStore, counts: readonly StatCount[]): Promise<void> =>
  store.add(`test-${ids++}`, counts, NOW);

const one = (kind: StatKind, name: string, count: number, start = HOUR): StatCount => ({
  start,
  kind,
  name,
  count,
});

async function all(
  store: StatsStore,
  span: Span,
  kinds: readonly StatKind[],
): Promise<readonly StatCount[]> {
  const counts = await store.read(span, kinds, startOf("day", NOW) - 3 * SPANS.day, NOW + 1);
  return [...counts].sort(
    (a, b) => a.start - b.start || b.count - a.count || (a.name < b.name ? -1 : 1),
  );
}

const total = (counts: readonly StatCount[]): number =>
  counts.reduce((sum, { count }) => sum + count, 0);

/** Declares the suite; every test opens a rig of its own, empty. */
export function statsContract(name: string, open: () => Promise<StateRig>): void {
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

  describe(`${name}: statistics`, () => {
    withRig("adds up what two processes count, by hour and by day", async ({ store, other }) => {
      const before = HOUR - 2 * SPANS.day;
      await add(store.stats, [one("sum", "octets", 700), one("symbol", "BULK", 1)]);
      await add(other.stats, [one("sum", "octets", 50), one("sum", "octets", 3, before)]);
      await add(other.stats, [one("sum", "messages", 2 ** 40)]);
      expect(await all(store.stats, "hour", ["sum", "symbol"])).toEqual([
        one("sum", "octets", 3, before),
        one("sum", "messages", 2 ** 40),
        one("sum", "octets", 750),
        one("symbol", "BULK", 1),
      ]);
      const [day, today] = [startOf("day", before), startOf("day", HOUR)];
      expect(await all(other.stats, "day", ["sum"])).toEqual([
        one("sum", "octets", 3, day),
        one("sum", "messages", 2 ** 40, today),
        one("sum", "octets", 750, today),
      ]);
    });

    withRig("gives what starts within the bounds and nothing else", async ({ store }) => {
      const starts = [HOUR - 2 * SPANS.hour, HOUR - SPANS.hour, HOUR];
      await add(
        store.stats,
        starts.map((start) => one("sum", "messages", 1, start)),
      );
      const read = (from: number, to: number): Promise<readonly StatCount[]> =>
        store.stats.read("hour", ["sum"], from, to);
      expect(await read(HOUR - SPANS.hour, HOUR)).toEqual([
        one("sum", "messages", 1, HOUR - SPANS.hour),
      ]);
      expect(await read(HOUR - SPANS.hour + 1, HOUR + 1)).toEqual([one("sum", "messages", 1)]);
      expect(await store.stats.read("hour", ["sender"], 0, HOUR)).toEqual([]);
    });

    withRig("counts a flush once, however often it is sent", async ({ store, other }) => {
      const counts = [one("verdict", "Inbound clean accept", 5)];
      await store.stats.add("again", counts, NOW);
      await other.stats.add("again", counts, NOW + 1000);
      await store.stats.add("more", counts, NOW + 2000);
      expect(await all(store.stats, "hour", ["verdict"])).toEqual([
        one("verdict", "Inbound clean accept", 10),
      ]);
    });

    withRig("a flood of names neither grows it nor hides who is frequent", async ({ store }) => {
      let sent = 0;
      for (let round = 0; round < 6; round++) {
        const noise = Array.from({ length: KEPT }, (_, n) =>
          one("sender", `x${round}-${n}.example`, 1),
        );
        await add(store.stats, [...noise, one("sender", "often.example", 3)]);
        sent += KEPT + 3;
      }
      for (const span of ["hour", "day"] as const) {
        const counts = await all(store.stats, span, ["sender"]);
        expect(counts.length).toBeLessThanOrEqual(2 * KEPT);
        expect(counts.length).toBeGreaterThanOrEqual(KEPT);
        expect(total(counts)).toBe(sent);
        expect(counts.find(({ name: n }) => n === "often.example")?.count).toBe(18);
        expect(counts.find(({ name: n }) => n === OTHER)?.count).toBeGreaterThan(KEPT);
      }
    });

    withRig("hostile text is only text", async ({ store }) => {
      const names = [
        "'; DROP TABLE stats;--\u0000\r\n*{x}",
        "\ud83d\ude00\u202e{b}",
        "+inf",
        "1e5",
      ];
      await add(
        store.stats,
        names.map((n) => one("recipient", n, 2)),
      );
      const found = await all(store.stats, "hour", ["recipient"]);
      expect(found.map((count) => count.name).sort()).toEqual([...names].sort());
    });

    withRig("sums are exact, whatever comes in whatever order", async ({ store, other }) => {
      const event = fc.record({
        kind: fc.constantFrom(...STAT_KINDS),
        name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
        count: fc.integer({ min: 1, max: 10 ** 9 }),
        ago: fc.integer({ min: 0, max: 30 }),
      });
      let sent = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(event, { maxLength: 20 }), async (events) => {
          const counts = events.map((e) =>
            one(e.kind, e.name.toWellFormed(), e.count, HOUR - e.ago * SPANS.hour),
          );
          await add(sent % 2 === 0 ? store.stats : other.stats, counts);
          sent += total(counts);
          for (const span of ["hour", "day"] as const)
            expect(total(await all(store.stats, span, STAT_KINDS))).toBe(sent);
        }),
        { numRuns: 15 },
      );
    });
  });
}
