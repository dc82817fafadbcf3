// One thread of a pool (threads.ts): does a job at a time, and is killed when the job is late, was given up or takes too much memory. A
// thread that was killed or died is never used again.
import { Worker } from "node:worker_threads";
import { clearDeadline, deadline, type Deadline } from "./deadlines.ts";
import { threadEnvironment } from "./thread-environment.ts";
import type { JobMessage, ThreadMessage } from "./thread-side.ts";
import type { Ended, Task, ThreadsOptions } from "./threads.ts";

const MIB = 1024 * 1024;
/** How often a thread's memory is looked at; a job that is done sooner is never looked at. */
const LOOK_MS = 100;
/** What a job may take longer while its thread starts: on a busy machine that is seconds. */
const START_MS = 10_000;
/** How long a killed thread may take to end: it can be inside a system call. */
const GRACE_MS = 1000;

export interface ThreadOwner {
  /** It has started: its module is loaded. */
  ready(): void;
  /** The thread can take another job. */
  free(thread: Thread): void;
  /** It has ended, or is given up; told once. `unborn`: why it did not even start, "" when it was not let. */
  gone(thread: Thread, unborn: string | null): void;
}

export class Thread {
  readonly #worker: Worker;
  readonly #owner: ThreadOwner;
  readonly #buffers: number;
  #task: Task | null = null;
  #limit: Deadline | null = null;
  #look: NodeJS.Timeout | null = null;
  #onAbort: (() => void) | null = null;
  #ready = false;
  /** Why it is being killed. */
  #ending: { readonly ended: Ended; readonly why: string } | null = null;
  #error = "its thread ended";
  #gone = false;

  constructor({ module, data, heapMiB, youngMiB, buffersMiB }: ThreadsOptions, owner: ThreadOwner) {
    this.#owner = owner;
    this.#buffers = (buffersMiB ?? 256) * MIB;
    this.#worker = new Worker(module, {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: threadEnvironment(),
      workerData: data,
      resourceLimits: {
        maxOldGenerationSizeMb: heapMiB ?? 192,
        maxYoungGenerationSizeMb: youngMiB ?? 16,
      },
    });
    this.#worker.unref();
    this.#worker.on("message", (message: ThreadMessage) => this.#heard(message));
    this.#worker.on("error", (error: Error) => (this.#error = error.message));
    this.#worker.on("exit", () => this.#left());
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Starts a job; the thread must be free. */
  give(task: Task): void {
    const { deadlineMs, signal, transfer } = task.options;
    const message: JobMessage = { job: task.job, notes: task.notes };
    try {
      this.#worker.postMessage(message, transfer ?? []);
    } catch (error) {
      task.fail(error as Error);
      return this.#owner.free(this);
    }
    this.#task = task;
    this.#worker.ref();
    this.#arm(deadlineMs, this.#ready ? 0 : START_MS);
    this.#look = setInterval(() => void this.#lookAtMemory(task), LOOK_MS);
    if (signal === undefined || signal === null) return;
    this.#onAbort = () => this.#kill("aborted", "ended while it ran");
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Kills it, whatever it does. */
  async close(): Promise<void> {
    this.#kill("aborted", "closed");
    await this.#worker.terminate();
  }

  #arm(deadlineMs: number, more: number): void {
    if (this.#limit !== null) clearDeadline(this.#limit);
    const late = (): void => this.#kill("late", `took more than ${deadlineMs} ms`);
    this.#limit = deadline(deadlineMs + more, late);
  }

  #heard(message: ThreadMessage): void {
    const task = this.#task;
    if ("ready" in message) {
      this.#ready = true;
      this.#owner.ready();
      if (task !== null && this.#ending === null) this.#arm(task.options.deadlineMs, 0);
      return;
    }
    if (task === null) return;
    if ("sent" in message) return void task.sent.push(message.sent);
    if (this.#ending !== null) return;
    this.#release();
    this.#worker.unref();
    if ("failed" in message) task.end("failed", message.failed);
    else task.end("done", "", message.value);
    this.#owner.free(this);
  }

  /** Buffers and WebAssembly memory lie outside the heap, where no limit of V8 holds. */
  async #lookAtMemory(task: Task): Promise<void> {
    try {
      const { external_memory: outside } = await this.#worker.getHeapStatistics();
      if (this.#task === task && outside > this.#buffers)
        this.#kill("crashed", `took more than ${this.#buffers / MIB} MiB of buffers`);
    } catch {
      // It has just ended; its "exit" tells the rest.
    }
  }

  #kill(ended: Ended, why: string): void {
    if (this.#ending !== null) return;
    this.#ending = { ended, why };
    if (this.#limit !== null) clearDeadline(this.#limit);
    this.#limit = deadline(GRACE_MS, () => this.#left());
    void this.#worker.terminate();
  }

  #left(): void {
    if (this.#gone) return;
    this.#gone = true;
    const task = this.#task;
    this.#release();
    const { ended, why } = this.#ending ?? { ended: "crashed", why: this.#error };
    task?.end(ended, why);
    const unborn = ended === "aborted" ? "" : why;
    this.#owner.gone(this, this.#ready ? null : unborn);
  }

  /** Forgets the job. */
  #release(): void {
    if (this.#limit !== null) clearDeadline(this.#limit);
    if (this.#look !== null) clearInterval(this.#look);
    if (this.#onAbort !== null)
      this.#task?.options.signal?.removeEventListener("abort", this.#onAbort);
    this.#task = null;
    this.#limit = null;
    this.#look = null;
    this.#onAbort = null;
  }
}
