// Notes about files of training folders on an SQLite connection; run inside a transaction of the state thread.
import type { DatabaseSync } from "node:sqlite";
import { MAX_FILED, type Filed } from "./filed.ts";

export interface SqliteFiled {
  listFiled(place: string, now: number): readonly Filed[];
  noteFiled(place: string, files: readonly Filed[], rememberMs: number, now: number): void;
  dropFiled(place: string, names: readonly string[]): void;
}

export function sqliteFiled(db: DatabaseSync): SqliteFiled {
  const list = db.prepare(
    `SELECT name, key, size FROM filed WHERE place = ? AND until > ? LIMIT ${MAX_FILED}`,
  );
  const put = db.prepare(
    "INSERT OR REPLACE INTO filed (place, name, key, size, until) VALUES (?, ?, ?, ?, ?)",
  );
  const drop = db.prepare("DELETE FROM filed WHERE place = ? AND name = ?");
  return {
    listFiled: (place, now) =>
      list.all(place, now).map((row) => ({
        name: String(row["name"]),
        key: String(row["key"]),
        size: Number(row["size"]),
      })),
    noteFiled(place, files, rememberMs, now) {
      for (const { name, key, size } of files) put.run(place, name, key, size, now + rememberMs);
    },
    dropFiled(place, names) {
      for (const name of names) drop.run(place, name);
    },
  };
}
