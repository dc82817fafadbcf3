// One connection to an SMTP or LMTP server: octets out, replies in, a deadline on every wait. It knows no command and no
// transaction. Whatever goes wrong ends it for good (`fault`); nothing here throws or rejects on what a peer does.
import assert from "node:assert/strict";
import { connect as connectSocket, type Socket } from "node:net";
import type { NextHop } from "./next-hop.ts";
import { ReplyReader, type PeerReply } from "./smtp-replies.ts";

/** Where in the dialogue something happened; amavis' names, since replies and logs carry them. */
export type Step =
  | "fwd-connect"
  | "fwd-greeting"
  | "fwd-ehlo"
  | "fwd-xforward"
  | "fwd-mail-from"
  | "fwd-rcpt-to"
  | "fwd-data-cmd"
  | "fwd-data-contents"
  | "fwd-data-end";

/** Why a connection ended: `early` = the server answered before it was its turn (then `reply` is what it said). */
export interface Fault {
  readonly failed: "connect" | "timeout" | "closed" | "garbage" | "early" | "spool";
  readonly detail: string;
  readonly reply: PeerReply | null;
}

/** A fault, and the step that it interrupted. */
export interface Failure extends Fault {
  readonly step: Step;
}

/** Tells a failure from whatever else a wait can end with. */
export function isFailure<T extends object>(value: T | Failure): value is Failure {
  return "failed" in value;
}

/** Replies are short; this also bounds what one read can bring. */
const READ_BUFFER = 8192;
const QUIT_MS = 1000;
const DONE = {};

type Awaited = "connect" | "drain" | "taken" | "reply" | "other";

export class Connection {
  /** Transactions begun on it. */
  served = 0;
  /** The server still holds a MAIL that led nowhere: the next transaction starts with RSET. */
  needsReset = false;
  /** An XFORWARD went out before: servers that never forget need it overwritten. */
  forwarded = false;
  /** The server said 421: it is about to close. */
  closing = false;
  /** performance.now() when it was last put aside. */
  idleSince = 0;

  readonly #socket: Socket;
  readonly #reader: ReplyReader;
  readonly #replies: PeerReply[] = [];
  /** Replies to come; the first one is the greeting, which nobody asks for. */
  #owed = 1;
  #fault: Fault | null = null;
  #leaving = false;
  #waiter: ((value: object) => void) | null = null;
  #awaited: Awaited = "connect";
  #step: Step = "fwd-connect";
  #timer: NodeJS.Timeout | null = null;
  #due = 0;
  #firesAt = 0;

  /** Starts to connect; `onClosed` is called exactly once, when the socket is gone, however that came about. */
  constructor(at: NextHop["at"], onClosed: () => void) {
    this.#reader = new ReplyReader((reply) => this.#take(reply));
    this.#socket = connectSocket({
      ...at,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER),
        callback: (length, buffer) => {
          this.#receive(buffer.subarray(0, length) as Buffer);
          return true;
        },
      },
    });
    for (const event of ["connect", "drain"] as const) {
      this.#socket.on(event, () => {
        if (this.#awaited === event) this.#resolve(DONE);
      });
    }
    this.#socket.on("error", (error: NodeJS.ErrnoException) =>
      this.fail("closed", error.code ?? "socket error"),
    );
    this.#socket.on("end", () => this.fail("closed", "connection closed by the server"));
    this.#socket.on("close", () => {
      this.fail("closed", "connection closed");
      onClosed();
    });
  }

  /** Null while the connection can be used. */
  get fault(): Fault | null {
    return this.#fault;
  }

  /** True when a next transaction may use it: nothing owed, nothing unread, no end in sight. */
  get clean(): boolean {
    return (
      this.#fault === null &&
      !this.closing &&
      !this.#leaving &&
      this.#owed === 0 &&
      !this.#reader.midway
    );
  }

  /** Waits until the socket is connected, at most `ms`. */
  connected(ms: number): Promise<object | Failure> {
    return this.#wait("connect", "fwd-connect", ms);
  }

  /** Sends command lines in one write; each will be answered by one reply. Lines must not contain CR, LF or NUL. */
  send(lines: readonly string[]): void {
    for (const line of lines) assert(!/[\0\r\n]/.test(line), "an SMTP command is one line");
    if (this.#fault !== null) return;
    this.#owed += lines.length;
    this.#socket.write(`${lines.join("\r\n")}\r\n`);
  }

  /** Sends message octets in one go; `replies` = how many answers they will bring. True: wait for drained() first. */
  write(pieces: readonly Buffer[], replies: number): boolean {
    if (this.#fault !== null) return false;
    this.#owed += replies;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece, this.#onTaken);
    this.#socket.uncork();
    return this.#socket.writableNeedDrain;
  }

  /** Waits until the peer has taken what was written, at most `ms` without any progress. */
  drained(step: Step, ms: number): Promise<object | Failure> {
    if (!this.#socket.writableNeedDrain && this.#fault === null) return Promise.resolve(DONE);
    return this.#wait("drain", step, ms);
  }

  /** Waits until the kernel has all that was written, at most `ms`: from then on the buffers may be changed. */
  taken(step: Step, ms: number): Promise<object | Failure> {
    if (this.#socket.writableLength === 0 && this.#fault === null) return Promise.resolve(DONE);
    return this.#wait("taken", step, ms);
  }

  /** The next reply that is owed, in the order of the commands; at most `ms` for this one. */
  read(step: Step, ms: number): PeerReply | Failure | Promise<PeerReply | Failure> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return reply;
    return this.#wait("reply", step, ms) as Promise<PeerReply | Failure>;
  }

  /** What `other` resolves to, unless the connection ends first or `ms` pass. `other` must not reject. */
  during<T extends object>(other: Promise<T>, step: Step, ms: number): Promise<T | Failure> {
    const waiting = this.#wait("other", step, ms);
    const waiter = this.#waiter;
    void other.then((value) => {
      if (waiter !== null && this.#waiter === waiter) this.#resolve(value);
    });
    return waiting as Promise<T | Failure>;
  }

  /** Ends the connection at once; whoever waits gets the failure. The first fault counts. */
  fail(failed: Fault["failed"], detail: string, reply: PeerReply | null = null): void {
    if (this.#fault === null) {
      this.#fault = { failed, detail, reply };
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#socket.destroy();
    }
    this.#resolve({ ...this.#fault, step: this.#step });
  }

  /** The fault as the failure of a step; only once there is a fault. */
  ended(step: Step): Failure {
    assert(this.#fault !== null, "the connection has ended");
    return { ...this.#fault, step };
  }

  /** Says QUIT and closes; the server gets a second to do the same. */
  quit(): void {
    if (this.#fault !== null || this.#leaving) return;
    this.#leaving = true;
    this.#socket.end("QUIT\r\n");
    setTimeout(() => this.fail("closed", "left"), QUIT_MS).unref();
  }

  readonly #onTaken = (): void => {
    if (this.#awaited === "taken" && this.#socket.writableLength === 0) this.#resolve(DONE);
  };

  #receive(chunk: Buffer): void {
    if (this.#fault !== null || this.#leaving) return;
    const fault = this.#reader.push(chunk);
    if (fault !== null) this.fail("garbage", fault);
  }

  #take(reply: PeerReply): void {
    if (this.#fault !== null) return;
    if (reply.code === 421) this.closing = true;
    if (this.#owed === 0) return this.fail("early", "reply out of turn", reply);
    this.#owed--;
    if (this.#waiter !== null && this.#awaited === "reply") this.#resolve(reply);
    else this.#replies.push(reply);
  }

  #wait(awaited: Awaited, step: Step, ms: number): Promise<object> {
    this.#step = step;
    this.#awaited = awaited;
    if (this.#fault !== null) return Promise.resolve({ ...this.#fault, step });
    this.#arm(ms);
    return new Promise((resolve) => (this.#waiter = resolve));
  }

  #resolve(value: object): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.(value);
  }

  // One timer serves all waits: it is moved only when it would fire too late, and looks at #due when it fires. A timer
  // per reply costs more than the reply.
  #arm(ms: number): void {
    this.#due = performance.now() + ms;
    if (this.#timer !== null && this.#firesAt <= this.#due) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#firesAt = this.#due;
    this.#timer = setTimeout(() => this.#onTimer(), ms).unref();
  }

  #onTimer(): void {
    this.#timer = null;
    if (this.#waiter === null) return;
    const left = this.#due - performance.now();
    if (left > 1) this.#arm(left);
    else this.fail("timeout", "no answer in time");
  }
}
