// The thread that owns the history file in one process: inserts batches, each one transaction, and removes what is too old or too
// much. Started by history.ts.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { patiently } from "./patiently.ts";
import type { FromHistoryThread, HistoryThreadData, ToHistoryThread } from "./history.ts";

const BUSY_MS = 5000;
const EXPIRE_EVERY_MS = 1000;
/** Rows removed at once: keeps up with two thousand messages a second. */
const EXPIRE_ROWS = 2000;

// Rows are in the order in which they came, which is nearly that of time: no index on it. A larger page holds a row without overflow.
const SCHEMA = `
  PRAGMA page_size = 16384;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, mail_id TEXT NOT NULL, log_id TEXT NOT NULL, message_id TEXT,
    facts TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_mail_id ON messages (mail_id);
  CREATE INDEX IF NOT EXISTS messages_message_id ON messages (message_id);
`;

const { file, maxAgeMs, maxBytes } = workerData as HistoryThreadData;

interface Open {
  readonly db: DatabaseSync;
  readonly insert: StatementSync;
  readonly old: StatementSync;
  readonly oldest: StatementSync;
  readonly size: StatementSync;
}

let open: Open | null = null;
let expired = 0;

function opened(): Open {
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    patiently(() => db.exec(SCHEMA));
    const first = `SELECT seq, time FROM messages ORDER BY seq LIMIT ${EXPIRE_ROWS}`;
    const remove = (which: string): StatementSync =>
      db.prepare(`DELETE FROM messages WHERE seq IN (SELECT seq FROM (${first}) ${which})`);
    return {
      db,
      insert: db.prepare(
        "INSERT INTO messages (time, mail_id, log_id, message_id, facts) VALUES (?, ?, ?, ?, ?)",
      ),
      old: remove("WHERE time < ?"),
      oldest: remove(""),
      size: db.prepare(
        "SELECT (page_count - freelist_count) * page_size AS octets FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
      ),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

function write({ db, insert }: Open, batch: ToHistoryThread): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    for (const line of batch.split("\n")) {
      const [time = "0", mailId = "", logId = "", messageId = "", json = ""] = line.split("\t");
      insert.run(Number(time), mailId, logId, messageId === "" ? null : messageId, json);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function expire({ old, oldest, size }: Open): void {
  const now = Date.now();
  if (now - expired < EXPIRE_EVERY_MS) return;
  expired = now;
  old.run(now - maxAgeMs);
  if (Number(size.get()?.["octets"]) > maxBytes) oldest.run();
}

/** Null when the rows are in the file. What fails is opened anew the next time: a file may be replaced, a disk emptied. */
function done(batch: ToHistoryThread): string | null {
  try {
    open ??= opened();
    write(open, batch);
  } catch (error) {
    try {
      open?.db.close();
    } catch {
      // The first error says what is wrong.
    }
    open = null;
    return (error as Error).message;
  }
  return null;
}

function tidy(): void {
  try {
    if (open !== null) expire(open);
  } catch {
    // What could not be removed now is tried again with the next batch.
  }
}

parentPort?.on("message", (batch: ToHistoryThread) => {
  const answer: FromHistoryThread = { error: done(batch) };
  tidy();
  parentPort?.postMessage(answer);
});
