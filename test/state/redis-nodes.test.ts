// The index and the requests that nodes share, over a real redis-server where there is one.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { redisStore, type SharedStore } from "../../src/state/redis.ts";
import { MAX_INDEXED, type Indexed } from "../../src/state/shared-nodes.ts";
import { redisServer, whyNoRedis, type RedisServer } from "../fakes/redis-server.ts";

const missing = whyNoRedis();
const T0 = Date.now();
const DAY = 86_400_000;
const entry = (id: string, until = T0 + DAY): Indexed => ({ id, until, text: `{"id":"${id}"}` });

async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const list: T[] = [];
  for await (const page of pages) list.push(...page);
  return list;
}

describe.skipIf(missing !== null)(
  `with a real redis-server${missing === null ? "" : `: ${missing}`}`,
  () => {
    let server: RedisServer;
    let store: SharedStore;
    let rigs = 0;
    beforeAll(async () => {
      server = await redisServer();
    });
    afterAll(() => server.stop());
    beforeEach(() => {
      store = redisStore({ url: server.url, prefix: `n${rigs++}:`, deadlineMs: 10_000 });
      return () => store.close();
    });

    it("lists and finds what each node keeps, and forgets what has expired", async () => {
      const { index } = store.nodes;
      await index.put("mx1", [entry("a"), entry("b", T0 + 10), entry("c")], T0);
      await index.put("mx2", [entry("d")], T0);
      expect((await all(index.entries("mx1", T0))).map(({ id }) => id).sort()).toEqual([
        "a",
        "b",
        "c",
      ]);
      expect((await all(index.entries("mx1", T0 + 11))).map(({ id }) => id).sort()).toEqual([
        "a",
        "c",
      ]);
      expect(await index.entry("mx1", "b", T0)).toBe('{"id":"b"}');
      expect(await index.entry("mx1", "b", T0 + 11)).toBeNull();
      expect(await index.entry("mx2", "a", T0)).toBeNull();
      // The next write clears what has expired.
      await index.put("mx1", [entry("e")], T0 + 11);
      expect((await all(index.ids("mx1"))).sort()).toEqual(["a", "c", "e"]);
      await index.remove("mx1", ["a", "nobody"]);
      expect((await all(index.ids("mx1"))).sort()).toEqual(["c", "e"]);
    });

    it("keeps no more than its bound, the longest-lived", async () => {
      const { index } = store.nodes;
      const many = Array.from({ length: MAX_INDEXED + 30 }, (_, n) => ({
        id: `i${n}`,
        until: T0 + DAY + n,
        text: "{}",
      }));
      for (let n = 0; n < many.length; n += 500) await index.put("mx1", many.slice(n, n + 500), T0);
      const ids = new Set(await all(index.ids("mx1")));
      expect(ids.size).toBe(MAX_INDEXED);
      expect(ids.has("i29")).toBe(false);
      expect(ids.has("i30")).toBe(true);
      expect(await all(index.entries("mx1", T0))).toHaveLength(MAX_INDEXED);
    });

    it("gives a name to one installation, and lists nodes that were there lately", async () => {
      const { index } = store.nodes;
      expect(await index.here("mx1", "one", T0)).toBe(true);
      expect(await index.here("mx1", "other", T0)).toBe(false);
      expect(await index.here("mx1", "one", T0 + 1)).toBe(true);
      await index.here("mx2", "other", T0 + 41 * DAY);
      expect(await index.nodes(T0)).toEqual([{ name: "mx2", seen: T0 + 41 * DAY }]);
    });

    it("gives each request to one process, and its answer to who asked", async () => {
      const { requests } = store.nodes;
      const number = await requests.send("mx1", "do", 60_000);
      expect(await requests.next("mx2", "p1", null)).toBeNull();
      const got = await Promise.all(["p1", "p2"].map((p) => requests.next("mx1", p, null)));
      expect(got.filter((one) => one !== null)).toEqual([{ number, text: "do" }]);
      expect(await requests.answer("mx1", number)).toBeNull();
      expect(await requests.withdraw("mx1", number)).toBe(false);
      await requests.done("mx1", number, "done");
      expect(await requests.answer("mx1", number)).toBe("done");
      expect(await requests.next("mx1", "p1", 0)).toBeNull();
    });

    it("hands on what a dead process had taken, and nothing that is being kept", async () => {
      const { requests } = store.nodes;
      const number = await requests.send("mx1", "do", 60_000);
      await requests.next("mx1", "p1", null);
      expect(await requests.next("mx1", "p2", null)).toBeNull();
      expect(await requests.next("mx1", "p2", 60_000)).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 1100));
      await requests.keep("mx1", number, "p1");
      expect(await requests.next("mx1", "p2", 1000)).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 1100));
      expect(await requests.next("mx1", "p2", 1000)).toEqual({ number, text: "do" });
    });

    it("withdraws what nobody has taken, and drops what has expired", async () => {
      const { requests } = store.nodes;
      const number = await requests.send("mx1", "first", 60_000);
      expect(await requests.withdraw("mx1", number)).toBe(true);
      expect(await requests.withdraw("mx1", number)).toBe(false);
      await requests.send("mx1", "second", 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const third = await requests.send("mx1", "third", 60_000);
      expect(await requests.next("mx1", "p1", null)).toEqual({ number: third, text: "third" });
      expect(await requests.next("mx1", "p1", null)).toBeNull();
      // Only the one that was taken is left to be taken again.
      expect(await requests.next("mx1", "p2", 0)).toEqual({ number: third, text: "third" });
      await requests.done("mx1", third, "");
      expect(await requests.next("mx1", "p2", 0)).toBeNull();
    });

    it("refuses when too many requests wait", async () => {
      const { requests } = store.nodes;
      for (let n = 0; n < 10; n++)
        await Promise.all(Array.from({ length: 100 }, () => requests.send("mx1", "x", 60_000)));
      await expect(requests.send("mx1", "x", 60_000)).rejects.toThrow("too many requests");
    });
  },
);
