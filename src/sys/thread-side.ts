// What runs inside a thread of sys/threads.ts: takes one job after the other from the other side. A thread's module calls
// answerJobs() once, at its top.
import { parentPort, workerData } from "node:worker_threads";
import { NoteWriter } from "./thread-notes.ts";

/** What the pool sends. */
export interface JobMessage {
  readonly job: unknown;
  readonly notes: SharedArrayBuffer;
}

/** What comes back: that the module has been loaded, things on the way, then the end. */
export type ThreadMessage =
  | { readonly ready: true }
  | { readonly sent: unknown }
  | { readonly value: unknown }
  | { readonly failed: string };

/** Where a job puts what must not be lost when it is killed. */
export interface JobOutput {
  /** Writes a note; false when there is no room left for it. Cheap: nobody is woken. */
  note(text: string): boolean;
  /** Sends something large at once; what is in `transfer` goes without a copy. */
  send(value: unknown, transfer?: readonly ArrayBuffer[]): void;
}

/** What the pool gave this thread as it started. */
export function given(): unknown {
  return workerData;
}

/** Does `work` for each job; what it returns (or resolves to) goes back, and what it throws fails that job alone. */
export function answerJobs<Job>(work: (job: Job, out: JobOutput) => unknown): void {
  const port = parentPort;
  if (port === null) throw new Error("this module runs in a thread of sys/threads.ts");
  const say = (message: ThreadMessage, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  const run = async ({ job, notes }: JobMessage): Promise<void> => {
    const writer = new NoteWriter(notes);
    try {
      const value = await work(job as Job, {
        note: (text) => writer.note(text),
        send: (sent, transfer) => say({ sent }, transfer),
      });
      say({ value });
    } catch (error) {
      say({ failed: error instanceof Error ? error.message : String(error) });
    }
  };
  port.on("message", (message: JobMessage) => void run(message));
  say({ ready: true });
}
