import { describe, expect, it } from "vitest";
import { statsGatherer } from "../../src/state/stats-gather.ts";
import {
  MAX_NAME,
  OTHER,
  SPANS,
  startOf,
  type StatCount,
  type StatsStore,
} from "../../src/state/stats-store.ts";

const T0 = Date.UTC(2026, 10, 21, 9, 30);

interface Sent {
  readonly id: string;
  readonly counts: readonly StatCount[];
}

/** A store that notes what it is sent, and fails as long as `down` says so. */
function noted(): { store: StatsStore; sent: Sent[]; tried: Sent[]; down: boolean } {
  const rig = {
    down: false,
    sent: [] as Sent[],
    tried: [] as Sent[],
    store: {
      add: async (id: string, counts: readonly StatCount[]) => {
        rig.tried.push({ id, counts });
        await Promise.resolve();
        if (rig.down) throw new Error("away");
        rig.sent.push({ id, counts });
      },
      read: async () => [],
    },
  };
  return rig;
}

const HOUR = startOf("hour", T0);
const gatherer = (rig: ReturnType<typeof noted>, now: () => number = () => T0, everyMs = 1e6) => {
  const warnings: string[] = [];
  const warn = (text: string): number => warnings.push(text);
  return { ...rig, warnings, stats: statsGatherer({ store: rig.store, now, everyMs, warn }) };
};

describe("gathered statistics", () => {
  it("are one batch per flush, by hour", async () => {
    let now = T0;
    const { stats, sent } = gatherer(noted(), () => now);
    stats.count("sum", "octets", 700);
    stats.count("sum", "octets", 50);
    stats.count("sender", "a.example");
    now += SPANS.hour;
    stats.count("sum", "octets", 3);
    await stats.flush();
    await stats.flush();
    expect(sent.map(({ counts }) => counts)).toEqual([
      [
        { start: HOUR, kind: "sum", name: "octets", count: 750 },
        { start: HOUR, kind: "sender", name: "a.example", count: 1 },
        { start: HOUR + SPANS.hour, kind: "sum", name: "octets", count: 3 },
      ],
    ]);
  });

  it("go out by themselves, and only when there are some", async () => {
    const { stats, tried } = gatherer(noted(), undefined, 20);
    stats.count("sum", "messages");
    await expect.poll(() => tried.length, { timeout: 5000 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(tried).toHaveLength(1);
    stats.count("sum", "messages");
    await expect.poll(() => tried.length, { timeout: 5000 }).toBe(2);
    await stats.close();
  });

  it("wait for a store that is away, and come under the same id", async () => {
    const rig = noted();
    rig.down = true;
    const { stats, warnings } = gatherer(rig);
    stats.count("symbol", "BULK");
    await stats.flush();
    stats.count("symbol", "BULK");
    await stats.flush();
    expect(warnings).toEqual(["statistics wait for the store: away"]);
    rig.down = false;
    await stats.flush();
    await stats.flush();
    expect(rig.tried.map(({ counts }) => counts.map(({ count }) => count))).toEqual([
      [1],
      [1],
      [1],
      [1],
    ]);
    expect(new Set(rig.tried.slice(0, 3).map(({ id }) => id)).size).toBe(1);
    expect(rig.tried[3]?.id).not.toBe(rig.tried[0]?.id);
  });

  it("are all out after close, also when it is called in the middle of a flush", async () => {
    const { stats, sent } = gatherer(noted());
    stats.count("sum", "messages", 1);
    const flushing = stats.flush();
    stats.count("sum", "messages", 10);
    await stats.close();
    await flushing;
    expect(sent.flatMap(({ counts }) => counts).map(({ count }) => count)).toEqual([1, 10]);
  });

  it("let close end while the store is away", async () => {
    const rig = noted();
    rig.down = true;
    const { stats } = gatherer(rig);
    stats.count("sum", "messages");
    await stats.close();
    expect(rig.tried.length).toBeLessThanOrEqual(3);
  });

  it("keep their bounds whatever is counted, and the sum", async () => {
    let now = T0;
    const { stats, sent } = gatherer(noted(), () => now);
    for (let n = 0; n < 5000; n++) stats.count("sender", `${n}${"x".repeat(1000)}`);
    stats.count("sender", "\ud800");
    for (let n = 0; n < 100; n++, now += SPANS.hour) stats.count("sum", "messages");
    await stats.flush();
    const counts = sent[0]?.counts ?? [];
    const of = (kind: string): readonly StatCount[] => counts.filter((one) => one.kind === kind);
    expect(of("sender")).toHaveLength(501);
    expect(of("sender").reduce((sum, { count }) => sum + count, 0)).toBe(5001);
    expect(of("sender").find(({ name }) => name === OTHER)?.count).toBe(4501);
    expect(counts.every(({ name }) => name.length <= MAX_NAME && name.isWellFormed())).toBe(true);
    expect(of("sum")).toHaveLength(24);
    expect(of("sum").reduce((sum, { count }) => sum + count, 0)).toBe(100);
  });
});
