// The instance lock: two servers on one state_dir would split the mail and the state between them. An exclusive SQLite lock
// on a file of its own: the kernel lets go of it when the process dies, however it dies.
import { DatabaseSync } from "node:sqlite";

/** Takes the lock, or returns null when another process holds it. Hold the result as long as the process serves. */
export function instanceLock(file: string): { release(): void } | null {
  const db = new DatabaseSync(file);
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (/locked|busy/i.test((error as Error).message)) return null;
    throw error;
  }
  return { release: () => db.close() };
}
