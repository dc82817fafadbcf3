// Everything that the state thread can be asked, by name, over one connection. Synchronous: a batch of them is a transaction.
import type { DatabaseSync } from "node:sqlite";
import { KNOWN_MS } from "./known-people.ts";
import { SEEN_MS, type RateAnswer } from "./rate-store.ts";
import { sqliteGreylist, type SqliteGreylist } from "./sqlite-greylist.ts";
import { sqliteFiled, type SqliteFiled } from "./sqlite-filed.ts";
import { EXPIRING } from "./sqlite-schema.ts";
import { sqliteStats, type SqliteStats } from "./sqlite-stats.ts";
import { sqliteTokens, type SqliteTokens } from "./sqlite-tokens.ts";

export interface Operations extends SqliteGreylist, SqliteStats, SqliteTokens, SqliteFiled {
  take(
    key: string,
    instance: string,
    amount: number,
    limit: number,
    periodMs: number,
    now: number,
  ): RateAnswer;
  rememberPeople(people: readonly string[], now: number): void;
  knows(person: string, now: number): boolean;
  /** Removes at most `rows` rows of each table that expired before `now`. */
  expire(now: number, rows: number): void;
}

export function sqliteOperations(db: DatabaseSync): Operations {
  const putPerson = db.prepare("INSERT OR REPLACE INTO people (person, until) VALUES (?, ?)");
  const getPerson = db.prepare("SELECT 1 FROM people WHERE person = ? AND until > ?");
  const expiries = EXPIRING.map(([table, key]) =>
    db.prepare(
      `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE until <= ? LIMIT ?)`,
    ),
  );
  return {
    ...sqliteGreylist(db),
    ...sqliteStats(db),
    ...sqliteTokens(db),
    ...sqliteFiled(db),
    take: taker(db),
    rememberPeople(people, now) {
      for (const person of people) putPerson.run(person, now + KNOWN_MS);
    },
    knows: (person, now) => getPerson.get(person, now) !== undefined,
    expire(now, rows) {
      for (const statement of expiries) statement.run(now, rows);
    },
  };
}

function taker(db: DatabaseSync): Operations["take"] {
  const get = db.prepare("SELECT count, until FROM rates WHERE key = ? AND until > ?");
  const put = db.prepare("INSERT OR REPLACE INTO rates (key, count, until) VALUES (?, ?, ?)");
  const getSeen = db.prepare(
    "SELECT count, allowed FROM rates_seen WHERE key = ? AND instance = ? AND until > ?",
  );
  const putSeen = db.prepare(
    "INSERT OR REPLACE INTO rates_seen (key, instance, count, allowed, until) VALUES (?, ?, ?, ?, ?)",
  );
  return (key, instance, amount, limit, periodMs, now) => {
    if (instance !== "") {
      const seen = getSeen.get(key, instance, now);
      if (seen !== undefined)
        return { count: Number(seen["count"]), allowed: seen["allowed"] === 1 };
    }
    const row = get.get(key, now);
    const used = row === undefined ? 0 : Number(row["count"]);
    const allowed = used + amount <= limit;
    const count = allowed ? used + amount : used;
    if (allowed) put.run(key, count, row === undefined ? now + periodMs : Number(row["until"]));
    if (instance !== "") putSeen.run(key, instance, count, allowed ? 1 : 0, now + SEEN_MS);
    return { count, allowed };
  };
}
