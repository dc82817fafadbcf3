// The reading side of the history, for commands: newest first, filters on facts, one message by any of its names.
import { DatabaseSync } from "node:sqlite";
import type { HistoryRow } from "./history-row.ts";

export interface HistoryReader {
  /** Rows between two moments, newest first; the caller stops when it has enough. */
  rows(from: number, to: number): IterableIterator<HistoryRow>;
  /** Those with this mail id, log id or Message-ID (with or without <>), newest first, at most `limit`. */
  named(name: string, limit: number): readonly HistoryRow[];
  close(): void;
}

/** How far a row may stand behind its time: processes write in batches, and a busy disk may hold one up. */
const BEHIND_MS = 60_000;

/** Opens an existing file. Throws when it cannot be opened or is no database. */
export function historyReader(file: string): HistoryReader {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  const newest = db.prepare("SELECT time, facts FROM messages ORDER BY seq DESC");
  const byName = db.prepare(
    "SELECT facts FROM messages WHERE mail_id = ? OR message_id IN (?, ?) ORDER BY seq DESC LIMIT ?",
  );
  const byLogId = db.prepare(
    "SELECT facts FROM messages WHERE log_id = ? ORDER BY seq DESC LIMIT ?",
  );
  return {
    *rows(from, to) {
      for (const row of newest.iterate()) {
        const time = Number(row["time"]);
        // Rows stand in the order in which they were written, a little behind that of time.
        if (time < from - BEHIND_MS) return;
        if (time >= from && time < to) yield factsOf(row);
      }
    },
    named(name, limit) {
      const found = byName.all(name, name, `<${name}>`, limit);
      // A log id has no index: asked last, and only for what looks like one.
      if (found.length === 0 && /^\d+-\d+(-\d+)?$/.test(name))
        found.push(...byLogId.all(name, limit));
      return found.map(factsOf);
    },
    close: () => db.close(),
  };
}

function factsOf(row: Record<string, unknown>): HistoryRow {
  return JSON.parse(String(row["facts"])) as HistoryRow;
}
