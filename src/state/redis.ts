// The shared store: Redis on one server, behind Sentinel, or as a cluster, when several hosts judge mail together. The same
// contract as sqlite.ts. Loaded only when [redis] url is set.
import { createHash } from "node:crypto";
import { Cluster, type Redis } from "ioredis";
import { REMEMBER_MS, type HandedOn } from "./handed-on.ts";
import { KNOWN_MS, type KnownPeople } from "./known-people.ts";
import { SEEN_MS, type RateStore } from "./rate-store.ts";
import { clearDeadline, deadline, type Deadline } from "../sys/deadlines.ts";
import { health } from "../sys/health.ts";
import { redisConnection, type Connection, type RedisOptionsOfOurs } from "./redis-connection.ts";
import { personKeyOf, redisGreylist } from "./redis-greylist.ts";
import { redisNodes } from "./redis-nodes.ts";
import { TAKE } from "./redis-scripts.ts";
import { redisStats } from "./redis-stats.ts";
import { redisTokens } from "./redis-tokens.ts";
import type { SharedNodes } from "./shared-nodes.ts";
import type { Store } from "./store.ts";

/** The few ways in which postern talks to Redis. Keys come without the prefix. */
export interface RedisCalls {
  readonly cluster: boolean;
  /** The first argument is the key. */
  call(command: string, key: string, ...args: readonly string[]): Promise<unknown>;
  script(
    text: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown>;
  /** Pages of keys that match; not for the path of a message. */
  scan(pattern: string, page: number): AsyncIterable<string[]>;
  /** Something that close() waits for. */
  pending(work: Promise<unknown>): void;
}

/** A store that also knows of the other nodes. */
export interface SharedStore extends Store {
  readonly nodes: SharedNodes;
}

/** Commands under way; more are refused at once, so that an absent server does not fill the memory. */
const MAX_WAITING = 2000;

/** Connects in the background; what is asked meanwhile waits up to the deadline. Throws when the URL is none. */
export function redisStore(options: RedisOptionsOfOurs): SharedStore {
  const connection = redisConnection(options);
  const work = new Set<Promise<unknown>>();
  const redis = calls(connection, options.prefix, options.deadlineMs, work);
  return {
    handedOn: handedOn(redis),
    greylist: redisGreylist(redis),
    rates: rates(redis),
    people: people(redis),
    nodes: redisNodes(redis),
    stats: redisStats(redis),
    tokens: redisTokens(redis),
    async close() {
      await Promise.allSettled(work);
      redis.close();
      connection.disconnect();
    },
  };
}

function calls(
  connection: Connection,
  prefix: string,
  deadlineMs: number,
  work: Set<Promise<unknown>>,
): RedisCalls & { close(): void } {
  const well = health({ ping: () => connection.ping().then(() => true, isReply) });
  // A new connection is ready when the server has answered on it.
  connection.on("ready", () => well.spoke());
  const hashes = new Map<string, string>();
  let waiting = 0;
  const bounded = async (run: () => Promise<unknown>): Promise<unknown> => {
    if (well.resting) throw new Error("redis: does not answer");
    if (waiting >= MAX_WAITING) throw new Error("redis: overloaded");
    waiting++;
    let limit: Deadline | null = null;
    try {
      const answer = await new Promise((resolve, reject) => {
        limit = deadline(deadlineMs, () => reject(new Error(SILENCE)));
        run().then(resolve, reject);
      });
      well.spoke();
      return answer;
    } catch (error) {
      if (isSilence(error)) well.silent();
      else if (isReply(error)) well.spoke();
      throw error;
    } finally {
      if (limit !== null) clearDeadline(limit);
      waiting--;
    }
  };
  const script: RedisCalls["script"] = (text, keys, args) =>
    bounded(async () => {
      const hash = hashes.get(text) ?? createHash("sha1").update(text).digest("hex");
      hashes.set(text, hash);
      const rest = [...keys.map((key) => prefix + key), ...args];
      try {
        return await connection.evalsha(hash, keys.length, ...rest);
      } catch (error) {
        if (!(error as Error).message.startsWith("NOSCRIPT")) throw error;
        return connection.eval(text, keys.length, ...rest);
      }
    });
  return {
    cluster: connection instanceof Cluster,
    call: (command, key, ...args) => bounded(() => connection.call(command, prefix + key, ...args)),
    script,
    scan: (pattern, page) => scan(connection, prefix, pattern, page),
    pending(promise) {
      work.add(promise);
      void promise.finally(() => work.delete(promise));
    },
    close: () => well.close(),
  };
}

const SILENCE = "redis: no answer in time";

/** Ours, or the one of ioredis, which may come first. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && [SILENCE, "Command timed out"].includes(error.message);
}

/** The server said no: it is there. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

async function* scan(
  connection: Connection,
  prefix: string,
  pattern: string,
  page: number,
): AsyncIterable<string[]> {
  const nodes: Redis[] = connection instanceof Cluster ? connection.nodes("master") : [connection];
  const literal = prefix.replace(/[\\*?[\]]/g, "\\$&");
  for (const node of nodes) {
    let cursor = "0";
    do {
      const [next, keys] = await node.scan(cursor, "MATCH", literal + pattern, "COUNT", page);
      cursor = next;
      yield keys.map((key) => key.slice(prefix.length));
    } while (cursor !== "0");
  }
}

function rates(redis: RedisCalls): RateStore {
  return {
    async take(key, instance, amount, limit, periodMs, now) {
      const tag = createHash("sha256").update(key).digest("base64url").slice(0, 22);
      const seen =
        instance === ""
          ? ""
          : createHash("sha256").update(instance).digest("base64url").slice(0, 16);
      const [count, allowed] = (await redis.script(
        TAKE,
        [`rt:{${tag}}`, `rs:{${tag}}:${seen}`],
        [now, amount, limit, periodMs, SEEN_MS, instance === "" ? "" : "1"],
      )) as [string, string];
      return { count: Number(count), allowed: allowed === "1" };
    },
  };
}

function people(redis: RedisCalls): KnownPeople {
  return {
    async remember(known, now) {
      await Promise.all(
        known.map((person) =>
          redis.call("SET", personKeyOf(person), String(now + KNOWN_MS), "PX", String(KNOWN_MS)),
        ),
      );
    },
    has: async (person, now) => Number(await redis.call("GET", personKeyOf(person))) > now,
  };
}

function handedOn(redis: RedisCalls): HandedOn {
  return {
    // Whether anything is remembered cannot be known without asking.
    empty: false,
    has: (keys, now = Date.now()) =>
      Promise.all(keys.map(async (key) => Number(await redis.call("GET", `ho:${key}`)) > now)),
    async remember(keys, now) {
      await Promise.all(
        keys.map((key) =>
          redis.call("SET", `ho:${key}`, String(now + REMEMBER_MS), "PX", String(REMEMBER_MS)),
        ),
      );
    },
  };
}
