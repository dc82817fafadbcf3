// The connections to one next hop: at most so many, used again while they are fresh, waited for in order when all are
// busy. It knows nothing of transactions; smtp.ts takes a line, runs one on it and gives it back.
import { dial, type DialOptions, type Line } from "./smtp-dial.ts";
import { isFailure, type Failure } from "./smtp-connection.ts";

export interface PoolOptions extends DialOptions {
  readonly maxConnections: number;
  /** Transactions after which a connection is closed; a server may have its own limit. */
  readonly maxMessages: number;
  /** An unused connection is closed after this time. */
  readonly idleMs: number;
}

interface Waiter {
  readonly fresh: boolean;
  readonly deadline: AbortSignal;
  settle(line: Line | Failure | Promise<Line | Failure>): void;
}

/** Owns every connection to the next hop; whoever takes a line must give it back or have it fail. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #idle: Line[] = [];
  readonly #waiters = new Set<Waiter>();
  #open = 0;
  #sweep: NodeJS.Timeout | null = null;
  #closed: (() => void) | null = null;
  #offersDsn: boolean | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** What the server's latest EHLO said about DSN; null before the first one. */
  get offersDsn(): boolean | null {
    return this.#offersDsn;
  }

  /**
   * A line that is ready for a transaction: an unused one (the most recently used first), else a new one, else the next
   * that gets free. `fresh`: only a new one will do. Fails when `deadline` aborts first.
   */
  take(fresh: boolean, deadline: AbortSignal): Promise<Line | Failure> {
    if (this.#closed !== null) return Promise.resolve(given("closed", "shutting down"));
    if (deadline.aborted) return Promise.resolve(given("timeout", "deadline"));
    while (!fresh && this.#idle.length > 0) {
      const line = this.#idle.pop() as Line;
      if (line.connection.clean) return Promise.resolve(line);
      line.connection.fail("closed", "not clean");
    }
    if (this.#open < this.#options.maxConnections) return this.#dial(deadline);
    // Only `fresh` gets here while some are unused: one of them has to make room.
    this.#idle.shift()?.connection.fail("closed", "made room");
    return this.#wait(fresh, deadline);
  }

  /** Takes a line back after its transaction. */
  give(line: Line): void {
    const { connection } = line;
    if (!connection.clean) {
      connection.fail("closed", "not clean");
      return;
    }
    const [waiter] = this.#waiters;
    const worn = connection.served >= this.#options.maxMessages;
    if (worn || this.#closed !== null || waiter?.fresh === true) {
      connection.quit();
    } else if (waiter !== undefined) {
      this.#waiters.delete(waiter);
      waiter.settle(line);
    } else {
      connection.idleSince = performance.now();
      this.#idle.push(line);
      this.#sweep ??= setTimeout(() => this.#closeIdle(), this.#options.idleMs).unref();
    }
  }

  /** Refuses what waits, says QUIT on unused connections, resolves when the last busy one is gone. */
  close(): Promise<void> {
    if (this.#sweep !== null) clearTimeout(this.#sweep);
    for (const waiter of this.#waiters) waiter.settle(given("closed", "shutting down"));
    this.#waiters.clear();
    for (const line of this.#idle.splice(0)) line.connection.quit();
    return new Promise((resolve) => {
      const before = this.#closed;
      this.#closed = () => {
        before?.();
        resolve();
      };
      if (this.#open === 0) this.#closed();
    });
  }

  async #dial(deadline: AbortSignal): Promise<Line | Failure> {
    this.#open++;
    const line = await dial(this.#options, deadline, () => this.#onClosed());
    if (!isFailure(line)) this.#offersDsn = line.offered.dsn;
    return line;
  }

  #onClosed(): void {
    this.#open--;
    const at = this.#idle.findIndex((line) => line.connection.fault !== null);
    if (at !== -1) this.#idle.splice(at, 1);
    if (this.#closed !== null) {
      if (this.#open === 0) this.#closed();
      return;
    }
    const [waiter] = this.#waiters;
    if (waiter === undefined) return;
    this.#waiters.delete(waiter);
    waiter.settle(this.#dial(waiter.deadline));
  }

  #wait(fresh: boolean, deadline: AbortSignal): Promise<Line | Failure> {
    return new Promise((resolve) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        resolve(given("timeout", "no connection got free"));
      };
      const waiter: Waiter = {
        fresh,
        deadline,
        settle: (line) => {
          deadline.removeEventListener("abort", onAbort);
          resolve(line);
        },
      };
      this.#waiters.add(waiter);
      deadline.addEventListener("abort", onAbort, { once: true });
    });
  }

  #closeIdle(): void {
    this.#sweep = null;
    const now = performance.now();
    const { idleMs } = this.#options;
    // The longest unused stand in front: the pool is a stack.
    while (this.#idle.length > 0) {
      const oldest = this.#idle[0] as Line;
      const left = oldest.connection.idleSince + idleMs - now;
      if (left > 1) {
        this.#sweep = setTimeout(() => this.#closeIdle(), left).unref();
        return;
      }
      this.#idle.shift();
      oldest.connection.quit();
    }
  }
}

function given(failed: Failure["failed"], detail: string): Failure {
  return { failed, detail, reply: null, step: "fwd-connect" };
}
