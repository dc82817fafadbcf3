// Tokens of Bayes on Redis: one hash of all tokens, one of totals, a key per lesson, a sorted set per mailbox that taught. The braces keep
// all of them on one cluster node, so that a lesson is one script and a look-up one command.
import { EXPIRE, FORGET, FORGET_MAILBOX, LEARN, TOUCH } from "./redis-tokens-scripts.ts";
import type { RedisCalls } from "./redis.ts";
import {
  EXPIRE_TO,
  EXPIRE_YOUNGEST,
  MAX_NAMED,
  type Label,
  type Learned,
  type LessonResult,
  type TokenRow,
  type TokenStore,
  type TokenSummary,
} from "./token-store.ts";

const TOKENS = "by:{by}:t";
const TOTALS = "by:{by}:n";
const KEYS = [TOKENS, TOTALS, "by:{by}:l:", "by:{by}:m:", "by:{by}:m"] as const;
/** Fields asked for, or removed, at once. */
const PAGE = 2000;

const nameOf = (id: number): string => id.toString(36);
const namesOf = (ids: readonly number[]): string => ids.map(nameOf).join(" ");
const mailboxKey = (mailbox: string): string => Buffer.from(mailbox, "utf8").toString("base64url");
const mailboxOf = (key: string): string => Buffer.from(key, "base64url").toString("utf8");

export function redisTokens(redis: RedisCalls): TokenStore {
  const label = (said: unknown): Label | null => (said === "spam" || said === "ham" ? said : null);
  return {
    async totals() {
      const [spam, ham] = (await redis.call("HMGET", TOTALS, "spam", "ham")) as (string | null)[];
      return { spam: Number(spam ?? 0), ham: Number(ham ?? 0) };
    },
    async look(ids) {
      const rows: TokenRow[] = [];
      for (const page of pages(ids)) {
        const values = (await redis.call("HMGET", TOKENS, ...page.map(nameOf))) as (
          string | null
        )[];
        for (const [n, value] of values.entries())
          if (value !== null) rows.push(rowOf(page[n] ?? 0, value));
      }
      return rows;
    },
    async touch(ids, at) {
      if (ids.length > 0) await redis.script(TOUCH, [TOKENS], [at, namesOf(ids)]);
    },
    async learn({ keys, label: as, tokens, at, mailbox, timid, rememberMs }, now) {
      const who = [as, at, mailboxKey(mailbox), timid ? "1" : "", rememberMs, now];
      const args = [...who, keys.join(" "), namesOf(tokens)];
      return (await redis.script(LEARN, KEYS, args)) as LessonResult;
    },
    async learned(keys) {
      for (const key of keys) {
        const value = await redis.call("GET", KEYS[2] + key);
        if (typeof value === "string") return learnedOf(value);
      }
      return null;
    },
    forget: async (keys, tokens) =>
      label(await redis.script(FORGET, KEYS, [keys.join(" "), namesOf(tokens)])),
    forgetMailbox: async (mailbox, most) =>
      Number(await redis.script(FORGET_MAILBOX, KEYS, [mailboxKey(mailbox), most])),
    expire: (most, now) => expire(redis, most, now),
    summary: (now) => summary(redis, now),
  };
}

/** "spam,mailbox in base64url,tokens". */
function learnedOf(value: string): Learned | null {
  const [label, mailbox = ""] = value.split(",", 2);
  return label === "spam" || label === "ham" ? { label, mailbox: mailboxOf(mailbox) } : null;
}

function* pages(ids: readonly number[]): Generator<readonly number[]> {
  for (let at = 0; at < ids.length; at += PAGE) yield ids.slice(at, at + PAGE);
}

function rowOf(id: number, value: string): TokenRow {
  const [spam = 0, ham = 0, seen = 0] = value.split(",").map(Number);
  return { id, spam, ham, seen };
}

/** All tokens, a page at a time; those that change meanwhile may come twice or in either state. */
async function* allTokens(redis: RedisCalls): AsyncGenerator<readonly TokenRow[]> {
  let cursor = "0";
  do {
    const [next, flat] = (await redis.call("HSCAN", TOKENS, cursor, "COUNT", String(PAGE))) as [
      string,
      string[],
    ];
    cursor = next;
    const rows: TokenRow[] = [];
    for (let n = 0; n + 1 < flat.length; n += 2)
      rows.push(rowOf(Number.parseInt(flat[n] ?? "", 36), flat[n + 1] ?? ""));
    yield rows;
  } while (cursor !== "0");
}

async function expire(redis: RedisCalls, most: number, now: number): Promise<number> {
  const count = Number(await redis.call("HLEN", TOKENS));
  if (count <= most) return 0;
  const all = new Map<number, number>();
  for await (const page of allTokens(redis)) for (const { id, seen } of page) all.set(id, seen);
  const times = Float64Array.from(all.values()).sort();
  const surplus = all.size - Math.floor(most * EXPIRE_TO);
  const border = times[Math.min(surplus, times.length - 1)] ?? 0;
  const before = Math.min(border, (times.at(-1) ?? 0) - EXPIRE_YOUNGEST);
  await redis.call("HSET", TOTALS, "expired", String(now));
  const old = [...all].filter(([, seen]) => seen < before).map(([id]) => id);
  let gone = 0;
  for (const page of pages(old))
    gone += Number(await redis.script(EXPIRE, [TOKENS], [before, namesOf(page)]));
  return gone;
}

async function summary(redis: RedisCalls, now: number): Promise<TokenSummary> {
  const [spam, ham, expired] = (await redis.call("HMGET", TOTALS, "spam", "ham", "expired")) as (
    string | null
  )[];
  let [oldest, newest] = [Infinity, 0];
  const ids = new Set<number>();
  for await (const page of allTokens(redis))
    for (const { id, seen } of page) {
      ids.add(id);
      oldest = Math.min(oldest, seen);
      newest = Math.max(newest, seen);
    }
  const last = String(MAX_NAMED - 1);
  const names = (await redis.call("ZRANGE", KEYS[4], "0", last)) as string[];
  const mailboxes: { mailbox: string; messages: number }[] = [];
  for (const name of names) {
    const messages = Number(await redis.call("ZCOUNT", KEYS[3] + name, `(${now}`, "+inf"));
    if (messages > 0) mailboxes.push({ mailbox: mailboxOf(name), messages });
  }
  mailboxes.sort((a, b) => (a.mailbox < b.mailbox ? -1 : 1));
  return {
    spam: Number(spam ?? 0),
    ham: Number(ham ?? 0),
    tokens: ids.size,
    oldest: ids.size === 0 ? 0 : oldest,
    newest,
    expired: Number(expired ?? 0),
    mailboxes,
  };
}
