// Maildir file names that never repeat: time, process, a random part per process and the host. The caller appends ",S=…,W=…".
import { randomBytes } from "node:crypto";

/** A source of names: microseconds that only grow, so that two deliveries of one process never share a name. */
export function uniqueNames(hostname: string, now: () => number = Date.now): () => string {
  const host = hostname
    .slice(0, 64)
    .replaceAll("/", "\\057")
    .replaceAll(":", "\\072")
    .replace(/[^A-Za-z0-9.\\_-]/g, "_");
  // The random part keeps apart processes with the same id: containers and threads.
  const process_ = `P${process.pid}R${randomBytes(4).toString("hex")}`;
  let last = 0;
  return () => {
    last = Math.max(last + 1, now() * 1000);
    const micros = last % 1_000_000;
    return `${(last - micros) / 1_000_000}.M${micros}${process_}.${host}`;
  };
}
