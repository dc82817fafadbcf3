// Reads messages for Bayes in threads of their own: a message that never ends costs its deadline, one that kills its thread costs a thread.
// Used by `postern learn`, the training folders, TELL and autolearn.
import { threads } from "../../sys/threads.ts";
import type { EngineData } from "../engine-job.ts";
import type { Lesson } from "./lesson.ts";
import type { LessonJob } from "./lesson-thread.ts";

export interface LessonsOptions {
  /** The rules whose settings say what counts: those of the engine, or their tokens would not meet. */
  readonly data: EngineData;
  /** 1. */
  readonly threads?: number;
  /** Messages that may wait; 64. */
  readonly queue?: number;
  /** Milliseconds for one message; 20,000. */
  readonly deadlineMs?: number;
}

export interface Lessons {
  /** What the octets teach; they are copied. `failed` says why nothing. Never rejects. */
  read(octets: Uint8Array, now: number): Promise<Lesson | { readonly failed: string }>;
  close(): Promise<void>;
}

/** Starts no thread before the first message. */
export function lessons(options: LessonsOptions): Lessons {
  const { data, threads: count = 1, queue = 64, deadlineMs = 20_000 } = options;
  const pool = threads({
    module: new URL("./lesson-thread.ts", import.meta.url),
    data,
    threads: count,
    queue,
    heapMiB: 512,
  });
  return {
    async read(octets, now) {
      const copy = new Uint8Array(octets).buffer;
      const job: LessonJob = { octets: copy, now };
      try {
        const ran = await pool.run(job, {
          deadlineMs,
          waitMs: deadlineMs * (queue + 1),
          transfer: [copy],
        });
        return ran.ended === "done" ? (ran.value as Lesson) : { failed: ran.why };
      } catch (error) {
        return { failed: (error as Error).message };
      }
    },
    close: () => pool.close(),
  };
}
