import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisStore } from "../../src/state/redis.ts";
import { redisPlace } from "../../src/state/redis-url.ts";
import { question, stateContract, TIMES, type StateRig } from "../contract/state.ts";
import { statsContract } from "../contract/stats.ts";
import { tokensContract } from "../contract/tokens.ts";
import { redisServer, whyNoRedis, type RedisServer } from "../fakes/redis-server.ts";

const missing = whyNoRedis();
let server: RedisServer | null = null;
let rigs = 0;

describe.skipIf(missing !== null)(
  `with a real redis-server${missing === null ? "" : `: ${missing}`}`,
  () => {
    beforeAll(async () => {
      server = await redisServer();
    });
    afterAll(async () => {
      await server?.stop();
    });

    const open = async (): Promise<StateRig> => {
      const url = server?.url ?? "";
      const options = { url, prefix: `t${rigs++}:[*]`, deadlineMs: 10_000 };
      const [store, other] = [redisStore(options), redisStore(options)];
      return {
        store,
        other,
        async close() {
          await Promise.all([store.close(), other.close()]);
        },
      };
    };
    stateContract("redis", open);
    statsContract("redis", open);
    tokensContract("redis", open);

    it("rejects within the deadline while the server is gone, tells once, and comes back by itself", async () => {
      const own = await redisServer();
      const told: boolean[] = [];
      const store = redisStore({
        url: own.url,
        prefix: "p:",
        deadlineMs: 200,
        onState: (up) => told.push(up),
      });
      await store.greylist.ask([question()], TIMES, 1);
      await own.kill();
      const start = performance.now();
      await expect(store.greylist.ask([question()], TIMES, 2)).rejects.toThrow();
      await expect(store.rates.take("k", "", 1, 1, 1000, 2)).rejects.toThrow();
      expect(performance.now() - start).toBeLessThan(2000);
      await own.restart();
      await expect
        .poll(() => store.greylist.ask([question()], TIMES, 3).catch(() => null), {
          timeout: 10_000,
        })
        .toMatchObject([{ result: "new" }]);
      expect(told).toEqual([true, false, true]);
      await store.close();
      await own.stop();
    });

    it("refuses at once what exceeds its bound", async () => {
      const own = await redisServer();
      const store = redisStore({ url: own.url, prefix: "p:", deadlineMs: 300 });
      await store.people.has("x", 1);
      own.process.kill("SIGSTOP");
      const many = await Promise.allSettled(
        Array.from({ length: 2500 }, () => store.people.has("x", 1)),
      );
      own.process.kill("SIGCONT");
      const why = many.map((one) => (one.status === "rejected" ? String(one.reason) : ""));
      expect(why.filter((text) => text.includes("overloaded"))).toHaveLength(500);
      await store.close();
      await own.stop();
    });
  },
);

describe("redisPlace", () => {
  const none = { username: null, password: null };
  it.each([
    [
      "redis://127.0.0.1",
      { kind: "single", node: { host: "127.0.0.1", port: 6379 }, tls: false, db: 0, ...none },
    ],
    [
      "rediss://u:p%40ss@h:1/3",
      {
        kind: "single",
        node: { host: "h", port: 1 },
        tls: true,
        db: 3,
        username: "u",
        password: "p@ss",
      },
    ],
    [
      "redis://:secret@[::1]:7",
      {
        kind: "single",
        node: { host: "::1", port: 7 },
        tls: false,
        db: 0,
        username: null,
        password: "secret",
      },
    ],
    [
      "redis+unix:///run/redis.sock?db=2",
      { kind: "unix", path: "/run/redis.sock", db: 2, ...none },
    ],
    [
      "redis+sentinel://a,b:5/mymaster/1",
      {
        kind: "sentinel",
        nodes: [
          { host: "a", port: 26379 },
          { host: "b", port: 5 },
        ],
        name: "mymaster",
        tls: false,
        db: 1,
        ...none,
      },
    ],
    [
      "redis+cluster://a:7000,b:7001",
      {
        kind: "cluster",
        nodes: [
          { host: "a", port: 7000 },
          { host: "b", port: 7001 },
        ],
        tls: false,
        ...none,
      },
    ],
    [
      "rediss+cluster://a:7000",
      { kind: "cluster", nodes: [{ host: "a", port: 7000 }], tls: true, ...none },
    ],
  ])("%s", (text, place) => {
    expect(redisPlace(text)).toEqual(place);
  });
  it.each([
    "",
    "http://a",
    "redis://",
    "redis://a,b",
    "redis://a:0",
    "redis://a:70000",
    "redis://a/x",
    "redis+sentinel://a",
    "redis+unix://",
    "redis://%:%@a",
    "redis+cluster://a/1",
  ])("%j is none", (text) => {
    expect(redisPlace(text)).toBeNull();
  });
});
