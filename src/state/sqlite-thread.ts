// The state thread: owns the writing connections of one process and runs what it is asked in batches, all that has arrived in
// one transaction. Started by state-thread.ts.
import { DatabaseSync } from "node:sqlite";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { REMEMBER_MS } from "./handed-on.ts";
import { sqliteOperations } from "./sqlite-operations.ts";
import { BUSY_MS } from "./sqlite-schema.ts";
import type { StateAnswer, StateQuestion } from "./state-thread.ts";

/** Operations of one transaction: bounds how long other processes wait for the write lock. */
const MAX_BATCH = 500;
const EXPIRE_EVERY_MS = 1000;
const EXPIRE_ROWS = 200;

const { file } = workerData as { file: string };
const db = new DatabaseSync(file, { timeout: BUSY_MS });
db.exec("PRAGMA synchronous = NORMAL");
const operations = sqliteOperations(db) as unknown as Record<
  string,
  (...args: readonly unknown[]) => unknown
>;
// A note that a recipient has the message is a promise, and must survive a power cut: a connection of its own, synchronous = FULL.
const durable = new DatabaseSync(file, { timeout: BUSY_MS });
durable.exec("PRAGMA synchronous = FULL");
const note = durable.prepare("INSERT OR REPLACE INTO handed_on (key, until) VALUES (?, ?)");
let expired = 0;

function inTransaction(
  on: DatabaseSync,
  questions: readonly StateQuestion[],
  run: (question: StateQuestion) => unknown,
  also: () => void = () => {},
): StateAnswer[] {
  try {
    on.exec("BEGIN IMMEDIATE");
    const answers = questions.map((question): StateAnswer => ({
      id: question.id,
      value: run(question),
      error: null,
    }));
    also();
    on.exec("COMMIT");
    return answers;
  } catch (error) {
    try {
      if (on.isTransaction) on.exec("ROLLBACK");
    } catch {
      // What matters is the first error; SQLite has rolled back by itself then.
    }
    const text = error instanceof Error ? error.message : String(error);
    return questions.map(({ id }) => ({ id, value: null, error: text }));
  }
}

function run(batch: readonly StateQuestion[]): StateAnswer[] {
  const notes = batch.filter(({ name }) => name === "rememberHandedOn");
  const others = batch.filter(({ name }) => name !== "rememberHandedOn");
  const answers: StateAnswer[] = [];
  if (others.length > 0) {
    const due = Date.now() - expired > EXPIRE_EVERY_MS;
    if (due) expired = Date.now();
    answers.push(
      ...inTransaction(
        db,
        others,
        ({ name, args }) => operations[name]?.(...args),
        () => {
          if (due) operations["expire"]?.(Date.now(), EXPIRE_ROWS);
        },
      ),
    );
  }
  if (notes.length > 0) {
    answers.push(
      ...inTransaction(durable, notes, ({ args: [keys, now] }) => {
        for (const key of keys as string[]) note.run(key, (now as number) + REMEMBER_MS);
      }),
    );
  }
  return answers;
}

parentPort?.on("message", (first: readonly StateQuestion[]) => {
  const batch = [...first];
  while (batch.length < MAX_BATCH && parentPort !== null) {
    const more = receiveMessageOnPort(parentPort) as
      { message: readonly StateQuestion[] } | undefined;
    if (more === undefined) break;
    batch.push(...more.message);
  }
  parentPort?.postMessage(run(batch));
});
