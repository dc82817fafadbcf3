// The index of kept messages and the requests between nodes, in Redis: per node a sorted set and a hash, a stream with one
// consumer group, and a key per answer. Made by redis.ts.
import type { RedisCalls } from "./redis.ts";
import { DONE, HOLD_NAME, NEXT, PUT, REMOVE, SEND, WITHDRAW } from "./redis-nodes-scripts.ts";
import {
  ANSWER_MS,
  MAX_INDEXED,
  MAX_NODES,
  MAX_REQUESTS,
  NODE_MS,
  type Indexed,
  type NodeIndex,
  type NodeRequests,
  type SharedNodes,
} from "./shared-nodes.ts";

const GROUP = "node";
const PAGE = "500";
/** A name is held so long after its node's last word. */
const NAME_MS = 60_000;
/** A stream without requests is forgotten after this long. */
const STREAM_MS = 86_400_000;
/** A request that was taken may be taken up again so long after its expiry, when who took it died. */
const GRACE_MS = 600_000;
/** Processes of a node that have not asked for work for so long are gone. */
const IDLE_CONSUMER_MS = 3_600_000;

/** Over the connection of a store. */
export function redisNodes(redis: RedisCalls): SharedNodes {
  return { index: index(redis), requests: requests(redis) };
}

function index(redis: RedisCalls): NodeIndex {
  const keysOf = (node: string): [string, string] => [`qi:{${node}}`, `qe:{${node}}`];
  return {
    async here(node, instance, now) {
      const ours = await redis.script(HOLD_NAME, [`qw:{${node}}`], [instance, NAME_MS]);
      if (ours !== 1) return false;
      await redis.call("ZADD", "qn", String(now), node);
      await redis.call("ZREMRANGEBYSCORE", "qn", "-inf", String(now - NODE_MS));
      return true;
    },
    async nodes(now) {
      const words = await redis.call("ZRANGE", "qn", "0", String(MAX_NODES - 1), "WITHSCORES");
      return pairs(words)
        .map(([name, seen]) => ({ name, seen: Number(seen) }))
        .filter(({ seen }) => seen > now - NODE_MS);
    },
    async put(node, entries, now) {
      if (entries.length === 0) return;
      const words = entries.flatMap(({ id, until, text }) => [id, String(until), text]);
      await redis.script(PUT, keysOf(node), [now, MAX_INDEXED, NODE_MS, ...words]);
    },
    async remove(node, ids) {
      if (ids.length > 0) await redis.script(REMOVE, keysOf(node), ids);
    },
    async *ids(node) {
      for await (const page of scanned(redis, "ZSCAN", keysOf(node)[0]))
        yield page.map(([id]) => id);
    },
    async *entries(node, now) {
      const seen = new Set<string>();
      for await (const page of scanned(redis, "HSCAN", keysOf(node)[1])) {
        const live: Indexed[] = [];
        for (const [id, stored] of page) {
          const entry = entryOf(id, stored, now);
          if (entry === null || seen.has(id)) continue;
          seen.add(id);
          live.push(entry);
        }
        yield live;
      }
    },
    async entry(node, id, now) {
      const stored = await redis.call("HGET", keysOf(node)[1], id);
      return typeof stored === "string" ? (entryOf(id, stored, now)?.text ?? null) : null;
    },
  };
}

function requests(redis: RedisCalls): NodeRequests {
  const streamOf = (node: string): string => `qr:{${node}}`;
  const answerOf = (node: string, number: string): string => `qa:{${node}}:${number}`;
  return {
    async send(node, text, ttlMs) {
      const args = [text, ttlMs, MAX_REQUESTS, STREAM_MS];
      const number = await redis.script(SEND, [streamOf(node)], args);
      if (typeof number !== "string") throw new Error(`too many requests wait for ${node}`);
      return number;
    },
    async answer(node, number) {
      const text = await redis.call("GET", answerOf(node, number));
      return typeof text === "string" ? text : null;
    },
    withdraw: async (node, number) =>
      (await redis.script(WITHDRAW, [streamOf(node)], [GROUP, number])) === 1,
    async next(node, consumer, abandoned) {
      const args = [GROUP, consumer, abandoned ?? "", GRACE_MS, IDLE_CONSUMER_MS];
      const got = await redis.script(NEXT, [streamOf(node)], args);
      if (!Array.isArray(got)) return null;
      const [number, text] = got as readonly unknown[];
      return { number: String(number), text: String(text) };
    },
    async keep(node, number, consumer) {
      await redis.call("XCLAIM", streamOf(node), GROUP, consumer, "0", number, "JUSTID");
    },
    async done(node, number, answer) {
      const keys = [streamOf(node), answerOf(node, number)];
      await redis.script(DONE, keys, [GROUP, number, answer, ANSWER_MS]);
    },
  };
}

/** "1763740000000:{…}", as PUT stores it; null when it is none, or forgotten. */
function entryOf(id: string, stored: string, now: number): Indexed | null {
  const colon = stored.indexOf(":");
  const until = Number(stored.slice(0, colon));
  return colon > 0 && until > now ? { id, until, text: stored.slice(colon + 1) } : null;
}

/** Pages of what ZSCAN or HSCAN finds under one key. */
async function* scanned(
  redis: RedisCalls,
  command: "ZSCAN" | "HSCAN",
  key: string,
): AsyncGenerator<readonly (readonly [string, string])[]> {
  let cursor = "0";
  do {
    const said = await redis.call(command, key, cursor, "COUNT", PAGE);
    const [next, words] = said as readonly [unknown, unknown];
    cursor = String(next);
    yield pairs(words);
  } while (cursor !== "0");
}

/** Names and values in turn; RESP3 has them two by two where RESP2 has one list. */
function pairs(words: unknown): readonly (readonly [string, string])[] {
  const list = Array.isArray(words) ? words.flat().map(String) : [];
  return Array.from({ length: list.length >> 1 }, (_, n) => [
    list[2 * n] ?? "",
    list[2 * n + 1] ?? "",
  ]);
}
