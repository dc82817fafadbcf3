// The state thread: owns the writing connections of one process and runs what it is asked in batches, each one transaction.
// Started by state-thread.ts.
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { REMEMBER_MS } from "./handed-on.ts";
import { sqliteOperations } from "./sqlite-operations.ts";
import { BUSY_MS } from "./sqlite-schema.ts";
import type { StateAnswer, StateQuestion } from "./state-thread.ts";

const EXPIRE_EVERY_MS = 1000;
const EXPIRE_ROWS = 200;

/** Pages in the log before it is copied into the file: 16 MiB. Who asks meanwhile waits for the disk, so it should be rare. */
const CHECKPOINT_PAGES = 4000;

const { file } = workerData as { file: string };
const db = new DatabaseSync(file, { timeout: BUSY_MS });
db.exec(`PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
const operations = sqliteOperations(db) as unknown as Record<
  string,
  (...args: readonly unknown[]) => unknown
>;
// A note that a recipient has the message is a promise, and must survive a power cut: a connection of its own, synchronous = FULL.
const durable = new DatabaseSync(file, { timeout: BUSY_MS });
durable.exec("PRAGMA synchronous = FULL");
const note = durable.prepare("INSERT OR REPLACE INTO handed_on (key, until) VALUES (?, ?)");
let expired = 0;

interface Transaction {
  begin(): void;
  commit(): void;
  /** What happens when something failed in between; never throws. */
  rollback(): void;
}

function transactions(on: DatabaseSync): Transaction {
  const [begin, commit] = [on.prepare("BEGIN IMMEDIATE"), on.prepare("COMMIT")];
  return {
    begin: () => void begin.run(),
    commit: () => void commit.run(),
    rollback() {
      try {
        if (on.isTransaction) on.exec("ROLLBACK");
      } catch {
        // What matters is the first error; SQLite has rolled back by itself then.
      }
    },
  };
}

const [quick, safe] = [transactions(db), transactions(durable)];

function inTransaction(
  on: Transaction,
  questions: readonly StateQuestion[],
  run: (question: StateQuestion) => unknown,
): StateAnswer[] {
  try {
    on.begin();
    const answers = questions.map((question): StateAnswer => [null, run(question) ?? null]);
    on.commit();
    return answers;
  } catch (error) {
    on.rollback();
    const text = error instanceof Error ? error.message : String(error);
    return questions.map(() => [text, null]);
  }
}

const isNote = ([name]: StateQuestion): boolean => name === NOTE;
const NOTE = "rememberHandedOn";

function run(batch: readonly StateQuestion[]): readonly StateAnswer[] {
  if (!batch.some(isNote)) return inTransaction(quick, batch, runOne);
  const others = batch.filter((question) => !isNote(question));
  const answers = others.length === 0 ? [] : inTransaction(quick, others, runOne);
  const noted = inTransaction(safe, batch.filter(isNote), ([, [keys, now]]) => {
    for (const key of keys as string[]) note.run(key, (now as number) + REMEMBER_MS);
  });
  // Each list is in the order of its questions.
  const next = [answers.values(), noted.values()] as const;
  return batch.map((question) => {
    const one = next[isNote(question) ? 1 : 0].next();
    return one.done === true ? ["no answer", null] : one.value;
  });
}

const runOne = ([name, args]: StateQuestion): unknown => operations[name]?.(...args);

/** Between batches, in a transaction of its own: no answer waits for it. What fails now is tried again a second later. */
function expire(): void {
  const now = Date.now();
  if (now - expired < EXPIRE_EVERY_MS) return;
  expired = now;
  inTransaction(quick, [["expire", [now, EXPIRE_ROWS]]], runOne);
}

parentPort?.on("message", (batch: string) => {
  parentPort?.postMessage(JSON.stringify(run(JSON.parse(batch) as StateQuestion[])));
  expire();
});
