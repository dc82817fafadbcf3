// Names for messages: the log id of a process ("02689-06") and the mail id (12 characters of base64url, the first and last
// alphanumeric, so that it is a safe file name and header value).
import { randomFillSync } from "node:crypto";

/** A counter of log ids for this process: five digits of the pid, then a number that never repeats in its life. */
export function logIds(pid: number = process.pid): () => string {
  const prefix = String(pid % 100_000).padStart(5, "0");
  let count = 0;
  return () => `${prefix}-${String(++count).padStart(2, "0")}`;
}

const pool = Buffer.alloc(9 * 256);
let used = pool.length;

/** A new mail id: 72 random bits. */
export function mailId(): string {
  for (;;) {
    if (used >= pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const id = pool.toString("base64url", used, used + 9);
    used += 9;
    if (/^[A-Za-z0-9].*[A-Za-z0-9]$/.test(id)) return id;
  }
}

/** True for a text that can be a mail id (12 characters of base64url). */
export function isMailId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{10}[A-Za-z0-9]$/.test(text);
}
