// SQLite does not wait, whatever its timeout, where two who wait for one another could wait for ever: when several processes open a new
// file at once and each wants it in WAL mode. Used in the threads that own a file.

/** SQLITE_BUSY, with whatever detail. */
const BUSY = 5;
const PATIENCE_MS = 5000;
const NAP_MS = 20;

/** Does it, again and again while the file is busy; throws what is another error, and that one in the end. Blocks its thread. */
export function patiently(work: () => void, patienceMs: number = PATIENCE_MS): void {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      return work();
    } catch (error) {
      const code = (error as { readonly errcode?: number }).errcode ?? 0;
      if ((code & 0xff) !== BUSY || performance.now() > end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, NAP_MS);
    }
  }
}
