// The writing side of the history: rows go to a thread in batches, and nobody waits for them. What the thread cannot write (disk full,
// broken file, too slow) is dropped, counted and told; the mail never notices.
import { Worker } from "node:worker_threads";
import { threadEnvironment } from "../sys/thread-environment.ts";
import type { HistoryRow } from "./history-row.ts";

export interface HistoryOptions {
  readonly file: string;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  onResult(result: "written" | "dropped", rows: number): void;
  /** Told at most once a minute. */
  warn(text: string): void;
}

export interface History {
  /** Never throws, never waits. */
  add(row: HistoryRow): void;
  /** Writes what is left, within a few seconds. */
  close(): Promise<void>;
}

/**
 * A batch travels as one string, which is copied faster than many: a line per row, behind tabs the time, mail id, log id, Message-ID
 * ("" when there is none) and the JSON. None of them holds a control character.
 */
export type ToHistoryThread = string;
/** `error` null when all was written. */
export interface FromHistoryThread {
  readonly error: string | null;
}
export interface HistoryThreadData {
  readonly file: string;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

const GATHER_MS = 500;
/** Rows that wait, and their JSON: more are dropped. */
const MAX_ROWS = 5000;
const MAX_CHARS = 32 * 1024 * 1024;
const WARN_EVERY_MS = 60_000;
const CLOSE_MS = 5000;

/** The file is made when the first row comes. */
export function historyWriter(options: HistoryOptions): History {
  return new Writer(options);
}

class Writer implements History {
  private readonly options: HistoryOptions;
  private thread: Worker | null = null;
  private queue: string[] = [];
  private chars = 0;
  private flying = 0;
  private timer: NodeJS.Timeout | null = null;
  private warned = -Infinity;
  private idle: (() => void) | null = null;

  constructor(options: HistoryOptions) {
    this.options = options;
  }

  add(row: HistoryRow): void {
    const json = JSON.stringify(row);
    if (this.queue.length >= MAX_ROWS || this.chars + json.length > MAX_CHARS)
      return this.drop(1, "more comes than can be written");
    this.queue.push(`${row.time}\t${row.mailId}\t${row.id}\t${messageIdOf(row)}\t${json}`);
    this.chars += json.length;
    this.timer ??= setTimeout(() => this.send(), GATHER_MS).unref();
  }

  async close(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    const written = new Promise<void>((resolve) => (this.idle = resolve));
    this.send();
    let limit: NodeJS.Timeout | undefined;
    await Promise.race([
      written,
      new Promise<void>((resolve) => (limit = setTimeout(resolve, CLOSE_MS))),
    ]);
    clearTimeout(limit);
    const left = this.flying + this.queue.length;
    if (left > 0) this.drop(left, "it could not be written before the end");
    const thread = this.thread;
    this.thread = null;
    await thread?.terminate();
  }

  private send(): void {
    this.timer = null;
    if (this.flying > 0) return;
    if (this.queue.length === 0) return this.idle?.();
    const rows = this.queue;
    this.queue = [];
    this.chars = 0;
    this.flying = rows.length;
    this.thread ??= this.start();
    const batch: ToHistoryThread = rows.join("\n");
    this.thread.postMessage(batch);
  }

  private start(): Worker {
    const { file, maxAgeMs, maxBytes } = this.options;
    const workerData: HistoryThreadData = { file, maxAgeMs, maxBytes };
    const worker = new Worker(new URL("./history-thread.ts", import.meta.url), {
      workerData,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: threadEnvironment(),
    });
    worker.unref();
    worker.on("message", ({ error }: FromHistoryThread) => this.heard(error));
    const lost = (why: string): void => {
      if (this.thread !== worker) return;
      this.thread = null;
      if (this.flying > 0) this.heard(why);
    };
    worker.on("error", (error: Error) => lost(error.message));
    worker.on("exit", () => lost("its thread ended"));
    return worker;
  }

  private heard(error: string | null): void {
    const rows = this.flying;
    this.flying = 0;
    if (error === null) this.options.onResult("written", rows);
    else this.drop(rows, error);
    if (this.queue.length > 0 || this.idle !== null) this.send();
  }

  private drop(rows: number, why: string): void {
    this.options.onResult("dropped", rows);
    const now = performance.now();
    if (now - this.warned < WARN_EVERY_MS) return;
    this.warned = now;
    this.options.warn(`history: ${rows} messages are not in ${this.options.file}: ${why}`);
  }
}

function messageIdOf({ header }: HistoryRow): string {
  const [, value] = header.find(([name]) => name.toLowerCase() === "message-id") ?? [];
  return (value ?? "").replace(/[\x00-\x1f]/g, "");
}
