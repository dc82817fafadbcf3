// Statistics on an SQLite connection; run inside a transaction of the state thread.
import type { DatabaseSync } from "node:sqlite";
import {
  FLUSH_KNOWN_MS,
  KEPT,
  OTHER,
  SPAN_KEPT_MS,
  startOf,
  type Span,
  type StatCount,
  type StatKind,
} from "./stats-store.ts";

/** The operations by the names under which the state thread is asked for them. */
export interface SqliteStats {
  addStats(id: string, counts: readonly StatCount[], now: number): void;
  readStats(span: Span, kinds: readonly StatKind[], from: number, to: number): StatCount[];
}

export function sqliteStats(db: DatabaseSync): SqliteStats {
  const known = db.prepare("SELECT 1 FROM stats_added WHERE id = ? AND until > ?");
  const note = db.prepare("INSERT OR REPLACE INTO stats_added (id, until) VALUES (?, ?)");
  const put = db.prepare(`INSERT INTO stats (span, start, kind, name, count, until)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count`);
  const select = db.prepare(
    "SELECT start, kind, name, count FROM stats WHERE span = ? AND kind = ? AND start >= ? AND start < ?",
  );
  const prune = pruner(db);
  return {
    addStats(id, counts, now) {
      if (known.get(id, now) !== undefined) return;
      note.run(id, now + FLUSH_KNOWN_MS);
      for (const span of ["hour", "day"] as const) {
        const touched = new Map<string, [number, StatKind]>();
        for (const { start: hour, kind, name, count } of counts) {
          const start = startOf(span, hour);
          put.run(span, start, kind, name, count, start + SPAN_KEPT_MS[span]);
          touched.set(`${kind} ${start}`, [start, kind]);
        }
        for (const [start, kind] of touched.values()) prune(span, start, kind);
      }
    },
    readStats: (span, kinds, from, to) =>
      kinds.flatMap((kind) =>
        select.all(span, kind, from, to).map((row) => ({
          start: Number(row["start"]),
          kind,
          name: String(row["name"]),
          count: Number(row["count"]),
        })),
      ),
  };
}

/** Counts the rarest names of a table that has outgrown its bound under OTHER. */
function pruner(db: DatabaseSync): (span: Span, start: number, kind: StatKind) => void {
  const where = "span = ? AND kind = ? AND start = ?";
  const size = db.prepare(`SELECT count(*) AS n FROM stats WHERE ${where}`);
  const remove = db.prepare(`DELETE FROM stats WHERE ${where} AND name NOT IN
    (SELECT name FROM stats WHERE ${where} ORDER BY count DESC, name DESC LIMIT ${KEPT})
    RETURNING count`);
  const put = db.prepare(`INSERT INTO stats (span, kind, start, name, count, until)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count`);
  return (span, start, kind) => {
    const place = [span, kind, start] as const;
    if (Number(size.get(...place)?.["n"]) <= 2 * KEPT) return;
    let rare = 0;
    for (const row of remove.all(...place, ...place)) rare += Number(row["count"]);
    put.run(...place, OTHER, rare, start + SPAN_KEPT_MS[span]);
  };
}
