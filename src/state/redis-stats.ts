// Statistics on Redis: one sorted set for each hour or day and kind, names by count. The braces keep all of them on one cluster
// node, so that a flush is one script; it comes every few seconds and is small.
import { ADD_STATS } from "./redis-scripts.ts";
import type { RedisCalls } from "./redis.ts";
import {
  FLUSH_KNOWN_MS,
  KEPT,
  SPAN_KEPT_MS,
  SPANS,
  startOf,
  type Span,
  type StatCount,
  type StatKind,
  type StatsStore,
} from "./stats-store.ts";

/** Tables asked for at once. */
const PAGE = 50;

const keyOf = (span: Span, start: number, kind: StatKind): string =>
  `st:{st}:${span}:${start / SPANS[span]}:${kind}`;

export function redisStats(redis: RedisCalls): StatsStore {
  return {
    async add(id, counts, now) {
      const tables = new Map<string, { lives: number; pairs: (string | number)[] }>();
      for (const span of ["hour", "day"] as const)
        for (const { start: hour, kind, name, count } of counts) {
          const start = startOf(span, hour);
          const key = keyOf(span, start, kind);
          const table = tables.get(key) ?? {
            lives: Math.max(1, start + SPAN_KEPT_MS[span] - now),
            pairs: [],
          };
          table.pairs.push(name, count);
          tables.set(key, table);
        }
      const args = [...tables.values()].flatMap(({ lives, pairs }) => [
        lives,
        pairs.length / 2,
        ...pairs,
      ]);
      await redis.script(
        ADD_STATS,
        [`st:{st}:added:${id}`, ...tables.keys()],
        [KEPT, FLUSH_KNOWN_MS, ...args],
      );
    },
    async read(span, kinds, from, to) {
      const tables: { start: number; kind: StatKind }[] = [];
      // What is older has expired.
      const first = startOf(span, Math.max(from, to - SPAN_KEPT_MS[span] - SPANS[span]));
      for (let start = first; start < to; start += SPANS[span])
        if (start >= from) for (const kind of kinds) tables.push({ start, kind });
      const found: StatCount[] = [];
      for (let at = 0; at < tables.length; at += PAGE) {
        const page = tables.slice(at, at + PAGE);
        const replies = await Promise.all(
          page.map(({ start, kind }) =>
            redis.call("ZRANGE", keyOf(span, start, kind), "0", "-1", "WITHSCORES"),
          ),
        );
        for (const [n, reply] of replies.entries()) {
          const table = page[n];
          if (table !== undefined) found.push(...countsIn(reply, table));
        }
      }
      return found;
    },
  };
}

function countsIn(reply: unknown, table: { start: number; kind: StatKind }): StatCount[] {
  // Pairs in RESP3, one list in RESP2, which older servers speak.
  const flat = (reply as readonly (string | string[])[]).flat();
  const found: StatCount[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2)
    found.push({ ...table, name: flat[i] ?? "", count: Number(flat[i + 1]) });
  return found;
}
