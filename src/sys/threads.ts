// A bounded pool of threads for work that is too long for the event loop and too hostile to be trusted: each job has a deadline that
// kills its thread, whatever it is doing, and a bound on its memory. Used for containers (content/deep.ts).
import type { MessagePort } from "node:worker_threads";
import { clearDeadline, deadline } from "./deadlines.ts";
import { notesMemory, notesOverflowed, readNotes } from "./thread-notes.ts";
import { Starts } from "./thread-starts.ts";
import { Thread, type ThreadOwner } from "./thread.ts";

export interface ThreadsOptions {
  /** The module that each thread runs; it calls answerJobs() of thread-side.ts. */
  readonly module: URL;
  /** What every thread of the pool is given as it starts (thread-side.ts: given()); cloned. */
  readonly data?: unknown;
  /** Threads at once; 2. */
  readonly threads?: number;
  /** Jobs that may wait for one, of each `from`; 64. */
  readonly queue?: number;
  /** MiB of a thread's JavaScript heap; 192. */
  readonly heapMiB?: number;
  /** MiB of that for what is new, most of which never grows old: more makes it faster; 16. */
  readonly youngMiB?: number;
  /** MiB of a thread's buffers and WebAssembly memory; looked at ten times a second; 256. */
  readonly buffersMiB?: number;
  /** Octets of the notes of one job; 4 MiB. */
  readonly notesBytes?: number;
  /** Told about each job that ended, with the milliseconds since it was asked for. */
  onEnd?(ended: Ended, ms: number): void;
  /** Told how many jobs wait, whenever that changes. */
  onWaiting?(jobs: number): void;
}

export interface JobOptions {
  /** Milliseconds that it may run, once its thread has started. */
  readonly deadlineMs: number;
  /** Milliseconds that it may wait for a thread; as many as it may run. */
  readonly waitMs?: number;
  /** Whose it is: those who wait take turns, and each may fill the queue without keeping another out. Absent: "". */
  readonly from?: string;
  /** Ends it early, waiting or running. */
  readonly signal?: AbortSignal | null;
  /** Goes to the thread without a copy. */
  readonly transfer?: readonly (ArrayBuffer | MessagePort)[];
}

/**
 * done: it ended by itself. failed: it threw. late: killed at its deadline. crashed: its thread died, took too much memory, or did not start.
 * refused: no thread came free. aborted: its signal, or the pool was closed.
 */
export type Ended = "done" | "failed" | "late" | "crashed" | "refused" | "aborted";

/** How a job ended, and what it left, whether it ended well or not. */
export interface Ran {
  readonly ended: Ended;
  /** In words, "" when it is done. */
  readonly why: string;
  /** What it returned; undefined unless it is done. */
  readonly value: unknown;
  /** What it wrote down, in order. */
  notes(): Iterable<string>;
  /** True when a note found no room. */
  readonly overflowed: boolean;
  /** What it sent on its way, in order. */
  readonly sent: readonly unknown[];
}

export interface Threads {
  /** Runs one job. Rejects only when the job cannot be sent (it holds what cannot be cloned). */
  run(job: unknown, options: JobOptions): Promise<Ran>;
  readonly waiting: number;
  readonly running: number;
  /** Kills what runs and refuses what waits. Resolves when all threads have ended. */
  close(): Promise<void>;
}

/** Starts no thread before the first job; a thread without a job keeps no process alive. */
export function threads(options: ThreadsOptions): Threads {
  return new Pool(options);
}

/** A job with what is known of it until it ends. */
export interface Task {
  readonly job: unknown;
  readonly options: JobOptions;
  readonly notes: SharedArrayBuffer;
  readonly sent: unknown[];
  /** Ends it, once. */
  end(ended: Ended, why: string, value?: unknown): void;
  fail(error: Error): void;
}

class Pool implements Threads {
  readonly #options: ThreadsOptions;
  readonly #most: number;
  readonly #threads = new Set<Thread>();
  readonly #idle: Thread[] = [];
  /** Jobs that wait, each with what takes it out again. */
  readonly #queue = new Map<Task, () => void>();
  /** Who has had a turn, the last one last; there are no more of them than listeners. */
  readonly #turns = new Set<string>();
  readonly #starts = new Starts();
  #closed = false;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#most = options.threads ?? 2;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#threads.size - this.#idle.length;
  }

  run(job: unknown, options: JobOptions): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const task = this.#task(job, options, resolve, reject);
      if (this.#closed) return task.end("aborted", "closed");
      if (options.signal?.aborted === true) return task.end("aborted", "ended before its turn");
      const thread = this.#idle.pop() ?? this.#another();
      if (thread !== null) return thread.give(task);
      const hopeless = this.#hopeless();
      if (hopeless !== null) return task.end("crashed", hopeless);
      const room = this.#options.queue ?? 64;
      if (this.#waitingFrom(fromOf(task)) >= room)
        return task.end("refused", `${room} jobs wait already`);
      this.#wait(task);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const task of [...this.#queue.keys()]) this.#leave(task, "aborted", "closed");
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  #task(
    job: unknown,
    options: JobOptions,
    resolve: (ran: Ran) => void,
    reject: (error: Error) => void,
  ): Task {
    const memory = notesMemory(this.#options.notesBytes ?? 4 * 1024 * 1024);
    const sent: unknown[] = [];
    const start = performance.now();
    let over = false;
    return {
      job,
      options,
      notes: memory,
      sent,
      end: (ended, why, value) => {
        if (over) return;
        over = true;
        this.#options.onEnd?.(ended, performance.now() - start);
        const notes = (): Iterable<string> => readNotes(memory);
        resolve({ ended, why, value, notes, overflowed: notesOverflowed(memory), sent });
      },
      fail: (error) => {
        over = true;
        reject(error);
      },
    };
  }

  #wait(task: Task): void {
    const { waitMs, deadlineMs, signal } = task.options;
    const patience = waitMs ?? deadlineMs;
    const late = (): void => this.#leave(task, "refused", `no thread came free in ${patience} ms`);
    const gone = (): void => this.#leave(task, "aborted", "ended while it waited");
    const limit = deadline(patience, late);
    signal?.addEventListener("abort", gone, { once: true });
    this.#queue.set(task, () => {
      this.#queue.delete(task);
      clearDeadline(limit);
      signal?.removeEventListener("abort", gone);
      this.#options.onWaiting?.(this.#queue.size);
    });
    this.#options.onWaiting?.(this.#queue.size);
  }

  /** Ends a task that waits. */
  #leave(task: Task, ended: Ended, why: string): void {
    this.#queue.get(task)?.();
    task.end(ended, why);
  }

  /** A new thread; null when there are enough, or none would start. */
  #another(): Thread | null {
    if (this.#threads.size >= this.#most || this.#starts.refusal() !== null) return null;
    const owner: ThreadOwner = {
      ready: () => this.#starts.succeeded(),
      free: (thread) => {
        this.#idle.push(thread);
        this.#next();
      },
      gone: (thread, unborn) => {
        this.#threads.delete(thread);
        if (unborn === "") this.#starts.givenUp();
        else if (unborn !== null) this.#unborn(unborn);
        const at = this.#idle.indexOf(thread);
        if (at >= 0) this.#idle.splice(at, 1);
        this.#next();
      },
    };
    try {
      const thread = new Thread(this.#options, owner);
      this.#starts.begun();
      this.#threads.add(thread);
      return thread;
    } catch {
      // The system has no more threads for us: the job waits for another, and is refused when none comes.
      return null;
    }
  }

  /** Why nobody will take a job soon. */
  #hopeless(): string | null {
    return [...this.#threads].some(({ isReady }) => isReady) ? null : this.#starts.refusal();
  }

  #unborn(why: string): void {
    this.#starts.failed(why);
    const hopeless = this.#hopeless();
    if (hopeless === null) return;
    for (const task of [...this.#queue.keys()]) this.#leave(task, "crashed", hopeless);
  }

  #waitingFrom(from: string): number {
    let count = 0;
    for (const task of this.#queue.keys()) if (fromOf(task) === from) count++;
    return count;
  }

  /** Gives the job that is due to a thread, if there is one for it. */
  #next(): void {
    const task = this.#due();
    if (task === null || this.#closed) return;
    const thread = this.#idle.pop() ?? this.#another();
    if (thread === null) return;
    this.#turns.delete(fromOf(task));
    this.#turns.add(fromOf(task));
    this.#queue.get(task)?.();
    thread.give(task);
  }

  /** The one that waits longest of those whose last turn is longest ago. */
  #due(): Task | null {
    const firsts = new Map<string, Task>();
    for (const task of this.#queue.keys())
      if (!firsts.has(fromOf(task))) firsts.set(fromOf(task), task);
    for (const [from, task] of firsts) if (!this.#turns.has(from)) return task;
    for (const from of this.#turns) {
      const task = firsts.get(from);
      if (task !== undefined) return task;
    }
    return null;
  }
}

const fromOf = ({ options }: Task): string => options.from ?? "";
