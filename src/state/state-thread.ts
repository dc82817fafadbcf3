// The side of the state thread that the event loop sees. One batch is under way at a time and what is asked meanwhile is the next
// one: the busier it is, the more share a message, a wake-up and a transaction. Each question has its own deadline, and a
// thread that dies fails what it was asked and is started again at the next question.
import { Worker } from "node:worker_threads";
import { clearDeadline, deadline, type Deadline } from "../sys/deadlines.ts";
import { threadEnvironment } from "../sys/thread-environment.ts";

/** A batch travels as JSON text: copying one string is cheaper than cloning its objects. */
export type StateQuestion = readonly [name: string, args: readonly unknown[]];

/** In the order of the questions; `error` null when it was done. */
export type StateAnswer = readonly [error: string | null, value: unknown];

interface Waiter {
  readonly question: StateQuestion;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  deadline: Deadline | null;
  /** Nobody waits any more: its deadline has come. */
  late: boolean;
}

/** Questions under way; more are refused at once, so that a stuck disk does not fill the memory. */
const MAX_WAITING = 10_000;
/** Operations of one transaction: bounds how long other processes wait for the write lock. */
const MAX_BATCH = 500;
/** Turns of the event loop, microseconds each when it is idle, in which others may join: waking a thread costs more. */
const GATHER_TURNS = 3;
/** What the first questions may wait beyond their deadline, while the thread starts. */
const START_MS = 2000;

/** One thread over one file. */
export class StateThread {
  private readonly file: string;
  private queue: Waiter[] = [];
  private flying: readonly Waiter[] = [];
  private scheduled = false;
  private thread: Worker | null = null;
  private closed = false;
  private answered = false;

  constructor(file: string) {
    this.file = file;
  }

  /**
   * Runs one operation in the next batch; arguments and value are what JSON can hold. Rejects with what SQLite said, or after
   * `deadlineMs` (0 = waits): it may still be done then.
   */
  call(name: string, args: readonly unknown[], deadlineMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new Error("state store: closed"));
      if (this.queue.length + this.flying.length >= MAX_WAITING)
        return reject(new Error("state store: overloaded"));
      const waiter: Waiter = {
        question: [name, args],
        resolve,
        reject,
        deadline: null,
        late: false,
      };
      if (deadlineMs > 0) {
        const patience = deadlineMs + (this.answered ? 0 : START_MS);
        waiter.deadline = deadline(patience, () => this.late(waiter));
      }
      this.queue.push(waiter);
      this.schedule();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    // What was asked just now has no thread yet.
    this.send();
    while (this.waiting && this.thread !== null)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await this.thread?.terminate();
    this.thread = null;
  }

  /** Somebody still wants an answer. */
  private get waiting(): boolean {
    return this.queue.some(({ late }) => !late) || this.flying.some(({ late }) => !late);
  }

  /** A few turns of the event loop later, so that all that they bring travels together. */
  private schedule(): void {
    if (this.scheduled || this.flying.length > 0) return;
    this.scheduled = true;
    const turn = (left: number): void => {
      if (left > 0) return void setImmediate(turn, left - 1);
      this.scheduled = false;
      this.send();
    };
    setImmediate(turn, GATHER_TURNS);
  }

  private send(): void {
    if (this.flying.length > 0) return;
    const wanted = this.queue.filter(({ late }) => !late);
    this.flying = wanted.slice(0, MAX_BATCH);
    this.queue = wanted.slice(MAX_BATCH);
    if (this.flying.length === 0) return;
    this.thread ??= this.start();
    this.thread.ref();
    this.thread.postMessage(JSON.stringify(this.flying.map(({ question }) => question)));
  }

  private start(): Worker {
    const worker = new Worker(new URL("./sqlite-thread.ts", import.meta.url), {
      workerData: { file: this.file },
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: threadEnvironment(),
    });
    worker.unref();
    worker.on("message", (answers: string) => this.heard(worker, answers));
    worker.on("error", (error: Error) => this.failAll(worker, error));
    worker.on("exit", () => this.failAll(worker, new Error("its thread ended")));
    return worker;
  }

  private heard(worker: Worker, text: string): void {
    const answers = JSON.parse(text) as readonly StateAnswer[];
    const asked = this.flying;
    this.flying = [];
    this.answered = true;
    if (this.queue.length > 0) this.schedule();
    else worker.unref();
    for (const [n, [error, value]] of answers.entries()) {
      const waiter = asked[n];
      if (waiter === undefined || waiter.late) continue;
      if (waiter.deadline !== null) clearDeadline(waiter.deadline);
      if (error === null) waiter.resolve(value);
      else waiter.reject(new Error(`state store: ${error}`));
    }
  }

  private late(waiter: Waiter): void {
    waiter.late = true;
    if (!this.waiting) this.thread?.unref();
    waiter.reject(new Error("state store: no answer in time"));
  }

  private failAll(worker: Worker, error: Error): void {
    if (this.thread !== worker) return;
    this.thread = null;
    this.answered = false;
    const failed = [...this.flying, ...this.queue];
    this.flying = [];
    this.queue = [];
    for (const waiter of failed) {
      if (waiter.deadline !== null) clearDeadline(waiter.deadline);
      if (!waiter.late) waiter.reject(new Error(`state store: ${error.message}`, { cause: error }));
    }
  }
}
