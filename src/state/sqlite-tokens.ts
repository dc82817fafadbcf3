// Tokens of Bayes on an SQLite connection; run inside a transaction of the state thread, reads in place too.
import type { DatabaseSync } from "node:sqlite";
import {
  EXPIRE_TO,
  EXPIRE_YOUNGEST,
  MAX_NAMED,
  type Label,
  type Learned,
  type Lesson,
  type LessonResult,
  type TokenRow,
  type TokenSummary,
  type TokenTotals,
} from "./token-store.ts";

/** The operations by the names under which the state thread is asked for them. */
export interface SqliteTokens {
  tokenTotals(): TokenTotals;
  lookTokens(ids: readonly number[]): readonly TokenRow[];
  touchTokens(ids: readonly number[], at: number): void;
  learnTokens(lesson: Lesson, now: number): LessonResult;
  learnedAs(keys: readonly string[], now: number): Learned | null;
  forgetLesson(keys: readonly string[], tokens: readonly number[], now: number): Label | null;
  forgetLessons(mailbox: string, most: number, now: number): number;
  expireTokens(most: number, now: number): number;
  tokenSummary(now: number): TokenSummary;
}

/** What of it needs no transaction. */
export interface SqliteTokenReader {
  totals(): TokenTotals;
  look(ids: readonly number[]): readonly TokenRow[];
}

const OCTETS = 5;

export function sqliteTokenReader(db: DatabaseSync): SqliteTokenReader {
  const total = db.prepare("SELECT value FROM bayes_totals WHERE name = ?");
  const look = db.prepare(
    "SELECT t.id, t.spam, t.ham, t.seen FROM json_each(?) AS j CROSS JOIN bayes_tokens AS t ON t.id = j.value",
  );
  look.setReturnArrays(true);
  const value = (name: string): number => Number(total.get(name)?.["value"] ?? 0);
  return {
    totals: () => ({ spam: value("spam"), ham: value("ham") }),
    look: (ids) =>
      (look.all(JSON.stringify(ids)) as unknown as number[][]).map(
        ([id = 0, spam = 0, ham = 0, seen = 0]) => ({ id, spam, ham, seen }),
      ),
  };
}

export function sqliteTokens(db: DatabaseSync): SqliteTokens {
  const reader = sqliteTokenReader(db);
  const touch = db.prepare("UPDATE bayes_tokens SET seen = ? WHERE id = ? AND seen < ?");
  const named = db.prepare(`SELECT mailbox, count(*) AS messages FROM bayes_lessons
    WHERE mailbox <> '' AND until > ? GROUP BY mailbox ORDER BY mailbox LIMIT ${MAX_NAMED}`);
  const span = db.prepare(
    "SELECT count(*) AS tokens, ifnull(min(seen), 0) AS oldest, ifnull(max(seen), 0) AS newest FROM bayes_tokens",
  );
  const value = db.prepare("SELECT value FROM bayes_totals WHERE name = ?");
  return {
    tokenTotals: () => reader.totals(),
    lookTokens: (ids) => reader.look(ids),
    touchTokens(ids, at) {
      for (const id of ids) touch.run(at, id, at);
    },
    ...lessons(db),
    expireTokens: expirer(db),
    tokenSummary(now) {
      const { tokens = 0, oldest = 0, newest = 0 } = span.get() ?? {};
      return {
        ...reader.totals(),
        tokens: Number(tokens),
        oldest: Number(oldest),
        newest: Number(newest),
        expired: Number(value.get("expired")?.["value"] ?? 0),
        mailboxes: named
          .all(now)
          .map((row) => ({ mailbox: String(row["mailbox"]), messages: Number(row["messages"]) })),
      };
    },
  };
}

interface Known extends Learned {
  readonly key: string;
  /** Null when they were not kept. */
  readonly tokens: readonly number[] | null;
}

function lessons(
  db: DatabaseSync,
): Pick<SqliteTokens, "learnTokens" | "learnedAs" | "forgetLesson" | "forgetLessons"> {
  const get = db.prepare(
    "SELECT key, label, mailbox, tokens FROM bayes_lessons WHERE key = ? AND until > ?",
  );
  const put = db.prepare(
    "INSERT OR REPLACE INTO bayes_lessons (key, label, mailbox, tokens, until) VALUES (?, ?, ?, ?, ?)",
  );
  const remove = db.prepare("DELETE FROM bayes_lessons WHERE key = ?");
  const taught = db.prepare(
    "SELECT key, label, mailbox, tokens FROM bayes_lessons WHERE mailbox = ? AND until > ? LIMIT ?",
  );
  const count = counter(db);
  const known = (keys: readonly string[], now: number): Known | null => {
    for (const key of keys) {
      const row = get.get(key, now);
      if (row !== undefined) return knownOf(row);
    }
    return null;
  };
  const take = ({ key, label, tokens }: Known, otherwise: readonly number[]): void => {
    count(label, tokens ?? otherwise, -1, 0);
    remove.run(key);
  };
  return {
    learnTokens({ keys, label, tokens, at, mailbox, timid, rememberMs }, now) {
      const before = known(keys, now);
      if (before !== null && (before.label === label || timid)) return "known";
      if (before !== null) take(before, tokens);
      count(label, tokens, 1, at);
      const kept = mailbox === "" ? null : packed(tokens);
      put.run(keys[0] ?? "", label, mailbox, kept, now + rememberMs);
      return before === null ? "learned" : "relearned";
    },
    learnedAs(keys, now) {
      const before = known(keys, now);
      return before === null ? null : { label: before.label, mailbox: before.mailbox };
    },
    forgetLesson(keys, tokens, now) {
      const before = known(keys, now);
      if (before !== null) take(before, tokens);
      return before?.label ?? null;
    },
    forgetLessons(mailbox, most, now) {
      const found = taught.all(mailbox, now, most);
      for (const row of found) take(knownOf(row), []);
      return found.length;
    },
  };
}

function knownOf({ key, label, mailbox, tokens }: Record<string, unknown>): Known {
  return {
    key: String(key),
    mailbox: String(mailbox),
    label: label === "spam" ? "spam" : "ham",
    tokens: tokens instanceof Uint8Array ? unpacked(tokens) : null,
  };
}

/** Adds a message to the totals and to its tokens, or takes it away; what comes to nothing is removed. */
function counter(
  db: DatabaseSync,
): (label: Label, tokens: readonly number[], by: 1 | -1, at: number) => void {
  const total = db.prepare(`INSERT INTO bayes_totals (name, value) VALUES (?, max(0, ?))
    ON CONFLICT DO UPDATE SET value = max(0, value + ?)`);
  const add = {
    spam: db.prepare(`INSERT INTO bayes_tokens (id, spam, ham, seen) VALUES (?, 1, 0, ?)
      ON CONFLICT DO UPDATE SET spam = spam + 1, seen = max(seen, excluded.seen)`),
    ham: db.prepare(`INSERT INTO bayes_tokens (id, spam, ham, seen) VALUES (?, 0, 1, ?)
      ON CONFLICT DO UPDATE SET ham = ham + 1, seen = max(seen, excluded.seen)`),
  };
  const less = {
    spam: db.prepare("UPDATE bayes_tokens SET spam = max(0, spam - 1) WHERE id = ?"),
    ham: db.prepare("UPDATE bayes_tokens SET ham = max(0, ham - 1) WHERE id = ?"),
  };
  const clean = db.prepare("DELETE FROM bayes_tokens WHERE id = ? AND spam = 0 AND ham = 0");
  return (label, tokens, by, at) => {
    total.run(label, by, by);
    for (const id of tokens) {
      if (by === 1) add[label].run(id, at);
      else {
        less[label].run(id);
        clean.run(id);
      }
    }
  };
}

function expirer(db: DatabaseSync): SqliteTokens["expireTokens"] {
  const count = db.prepare("SELECT count(*) AS n, max(seen) AS newest FROM bayes_tokens");
  const border = db.prepare("SELECT seen FROM bayes_tokens ORDER BY seen LIMIT 1 OFFSET ?");
  const remove = db.prepare("DELETE FROM bayes_tokens WHERE seen < ?");
  const note = db.prepare(
    "INSERT OR REPLACE INTO bayes_totals (name, value) VALUES ('expired', ?)",
  );
  return (most, now) => {
    const { n, newest } = count.get() ?? {};
    const surplus = Number(n) - Math.floor(most * EXPIRE_TO);
    if (Number(n) <= most) return 0;
    const before = Math.min(
      Number(border.get(surplus)?.["seen"]),
      Number(newest) - EXPIRE_YOUNGEST,
    );
    note.run(now);
    return Number(remove.run(before).changes);
  };
}

/** Five octets each. */
function packed(ids: readonly number[]): Buffer {
  const octets = Buffer.alloc(ids.length * OCTETS);
  for (const [n, id] of ids.entries()) octets.writeUIntBE(id, n * OCTETS, OCTETS);
  return octets;
}

function unpacked(octets: Uint8Array): number[] {
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  return Array.from({ length: Math.floor(buffer.length / OCTETS) }, (_, n) =>
    buffer.readUIntBE(n * OCTETS, OCTETS),
  );
}
