// The embedded store: one SQLite file (WAL) in state_dir, shared by all processes. Reads are made where they are asked for (a
// WAL reader never waits for a writer); writes go to one thread per process, so that no disk can hold up the event loop.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { REMEMBER_MS, type HandedOn } from "./handed-on.ts";

/** Milliseconds that one connection waits for another one's write. */
const BUSY_MS = 5000;
const SETTINGS = "PRAGMA synchronous = FULL";
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS handed_on (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS handed_on_until ON handed_on (until);
`;

export interface Store {
  readonly handedOn: HandedOn;
  close(): Promise<void>;
}

/**
 * Makes the file and its tables. Done once, by the supervisor, before there are workers: two processes that switch to WAL
 * at the same time lock each other out. Throws when the file cannot be opened or is no database.
 */
export function prepareStore(file: string): void {
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  db.exec(SCHEMA);
  db.close();
}

/** Opens a prepared store. Throws when the file cannot be opened or is no database. */
export function sqliteStore(file: string): Store {
  const reader = new DatabaseSync(file, { timeout: BUSY_MS });
  reader.exec(SETTINGS);
  const writer = writerThread(file);
  return {
    handedOn: handedOn(reader, writer),
    async close() {
      await writer.close();
      reader.close();
    },
  };
}

function handedOn(reader: DatabaseSync, writer: Writer): HandedOn {
  const version = reader.prepare("PRAGMA data_version");
  const any = reader.prepare("SELECT 1 FROM handed_on LIMIT 1");
  const one: StatementSync = reader.prepare("SELECT until FROM handed_on WHERE key = ?");
  let seen: unknown = null;
  let empty = true;
  return {
    get empty() {
      // data_version changes when another connection wrote: two microseconds instead of a look-up per recipient.
      const now = version.get()?.["data_version"];
      if (now !== seen) {
        seen = now;
        empty = any.get() === undefined;
      }
      return empty;
    },
    async has(keys) {
      const now = Date.now();
      return keys.map((key) => {
        const until = one.get(key)?.["until"];
        return typeof until === "number" && until > now;
      });
    },
    remember: (keys, now) => writer.remember(keys, now),
  };
}

interface Writer {
  remember(keys: readonly string[], now: number): Promise<void>;
  close(): Promise<void>;
}

/** Source of the thread: plain JavaScript, since it is evaluated. Expiry removes at most 1,000 rows per write. */
const WRITER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { DatabaseSync } = require("node:sqlite");
  const db = new DatabaseSync(workerData.file, { timeout: workerData.timeout });
  db.exec(workerData.settings);
  const put = db.prepare("INSERT OR REPLACE INTO handed_on (key, until) VALUES (?, ?)");
  const expire = db.prepare("DELETE FROM handed_on WHERE key IN (SELECT key FROM handed_on WHERE until < ? LIMIT 1000)");
  parentPort.on("message", ({ id, keys, now, until }) => {
    try {
      db.exec("BEGIN IMMEDIATE");
      for (const key of keys) put.run(key, until);
      expire.run(now);
      db.exec("COMMIT");
      parentPort.postMessage({ id, error: null });
    } catch (error) {
      try { db.exec("ROLLBACK"); } catch {}
      parentPort.postMessage({ id, error: String(error && error.message) });
    }
  });
`;

/** The thread starts at the first write: most processes never need it. */
function writerThread(file: string): Writer {
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  let thread: Worker | null = null;
  let next = 0;
  const start = (): Worker => {
    const worker = new Worker(WRITER, {
      eval: true,
      workerData: { file, settings: SETTINGS, timeout: BUSY_MS },
    });
    worker.unref();
    worker.on("message", ({ id, error }: { id: number; error: string | null }) => {
      const waiter = waiting.get(id);
      waiting.delete(id);
      if (waiting.size === 0) worker.unref();
      if (error === null) waiter?.resolve();
      else waiter?.reject(new Error(`state store: ${error}`));
    });
    worker.on("error", (error: Error) => {
      thread = null;
      for (const waiter of waiting.values()) waiter.reject(error);
      waiting.clear();
    });
    return worker;
  };
  return {
    remember: (keys, now) =>
      new Promise((resolve, reject) => {
        thread ??= start();
        thread.ref();
        const id = next++;
        waiting.set(id, { resolve, reject });
        thread.postMessage({ id, keys, now, until: now + REMEMBER_MS });
      }),
    async close() {
      await thread?.terminate();
    },
  };
}
