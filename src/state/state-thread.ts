// The side of the state thread that the event loop sees: questions of one tick travel together, each has its own deadline, and
// a thread that dies fails what it was asked and is started again at the next question.
import { Worker } from "node:worker_threads";

export interface StateQuestion {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface StateAnswer {
  readonly id: number;
  readonly value: unknown;
  /** Null when it was done. */
  readonly error: string | null;
}

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | null;
}

/** Questions under way; more are refused at once, so that a stuck disk does not fill the memory. */
const MAX_WAITING = 10_000;
/** What the first questions may wait beyond their deadline, while the thread starts. */
const START_MS = 2000;

/** One thread over one file. */
export class StateThread {
  private readonly waiting = new Map<number, Waiter>();
  private readonly file: string;
  private outbox: StateQuestion[] = [];
  private thread: Worker | null = null;
  private next = 0;
  private closed = false;
  private answered = false;

  constructor(file: string) {
    this.file = file;
  }

  /**
   * Runs one operation in the next batch. Rejects with what SQLite said, or after `deadlineMs` (0 = waits): it may still be
   * done then.
   */
  call(name: string, args: readonly unknown[], deadlineMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new Error("state store: closed"));
      if (this.waiting.size >= MAX_WAITING) return reject(new Error("state store: overloaded"));
      const id = this.next++;
      const patience = deadlineMs + (this.answered ? 0 : START_MS);
      const timer = deadlineMs === 0 ? null : setTimeout(() => this.late(id), patience);
      this.waiting.set(id, { resolve, reject, timer });
      this.outbox.push({ id, name, args });
      if (this.outbox.length === 1) setImmediate(() => this.send());
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    while (this.waiting.size > 0 && this.thread !== null)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await this.thread?.terminate();
    this.thread = null;
  }

  private send(): void {
    const batch = this.outbox;
    this.outbox = [];
    this.thread ??= this.start();
    this.thread.ref();
    this.thread.postMessage(batch);
  }

  private start(): Worker {
    const worker = new Worker(new URL("./sqlite-thread.ts", import.meta.url), {
      workerData: { file: this.file },
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    worker.unref();
    worker.on("message", (answers: readonly StateAnswer[]) => {
      this.answered = true;
      for (const answer of answers) this.heard(answer);
      if (this.waiting.size === 0) worker.unref();
    });
    worker.on("error", (error: Error) => this.failAll(worker, error));
    worker.on("exit", () => this.failAll(worker, new Error("its thread ended")));
    return worker;
  }

  private heard({ id, value, error }: StateAnswer): void {
    const waiter = this.waiting.get(id);
    if (waiter === undefined) return;
    this.waiting.delete(id);
    if (waiter.timer !== null) clearTimeout(waiter.timer);
    if (error === null) waiter.resolve(value);
    else waiter.reject(new Error(`state store: ${error}`));
  }

  private late(id: number): void {
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    if (this.waiting.size === 0) this.thread?.unref();
    waiter?.reject(new Error("state store: no answer in time"));
  }

  private failAll(worker: Worker, error: Error): void {
    if (this.thread !== worker) return;
    this.thread = null;
    this.answered = false;
    for (const waiter of this.waiting.values()) {
      if (waiter.timer !== null) clearTimeout(waiter.timer);
      waiter.reject(new Error(`state store: ${error.message}`, { cause: error }));
    }
    this.waiting.clear();
  }
}
