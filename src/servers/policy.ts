// The policy listener: Postfix's policy delegation over TCP or a unix socket (SMTPD_POLICY_README), and Exim's ${readsocket}, which
// half-closes. Many requests on a connection, answered in order; what an answer is, is the engine's business. No policy.
import type { Socket } from "node:net";
import {
  actionLine,
  policyReader,
  type PolicyAction,
  type PolicyRequest,
} from "../mail/policy-request.ts";
import { turnEnd } from "../sys/turn-end.ts";
import { listener, type Conversation, type Listener, type ListenerOptions } from "./listener.ts";

export interface PolicyOptions extends ListenerOptions {
  /** Short name for logs, "policy:127.0.0.1:10023". */
  readonly name: string;
  /** Decides; expected never to reject, and if it does, the connection is closed without an answer. */
  readonly answer: (request: PolicyRequest) => Promise<PolicyAction>;
  /** How long a client may say nothing; Postfix itself closes after 300 s. */
  readonly idleMs: number;
}

/** Values that fit. */
export const POLICY_DEFAULTS: Pick<PolicyOptions, "maxConnections" | "idleMs"> = {
  maxConnections: 500,
  idleMs: 600_000,
};

/** A listener that does not listen yet. */
export function policyServer(options: PolicyOptions): Listener {
  return listener(options, (socket) => new Connection(socket, options));
}

/** Requests that one client may have waiting: beyond it we stop reading. */
const MAX_WAITING = 100;

class Connection implements Conversation {
  readonly #socket: Socket;
  readonly #options: PolicyOptions;
  readonly #reader = policyReader();
  readonly #waiting: PolicyRequest[] = [];
  #answering = false;
  /** Nothing more is read; when all that came is answered, it ends. */
  #last = false;

  constructor(socket: Socket, options: PolicyOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setTimeout(options.idleMs, () => this.#idle());
    socket.on("data", (octets: Buffer) => this.#read(octets));
    socket.on("end", () => this.#finish());
    // A client may leave at any time: "close" follows, and that is all there is to do.
    socket.on("error", () => {});
  }

  stop(): void {
    this.#finish();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(octets: Buffer): void {
    if (this.#last) return;
    this.#waiting.push(...this.#reader.push(octets));
    if (this.#reader.failure !== null) {
      this.#options.onError(
        new Error(`a client sent what is no policy request: ${this.#reader.failure}`),
      );
      this.#finish();
    }
    if (this.#waiting.length > MAX_WAITING) this.#socket.pause();
    if (!this.#answering) void this.#answerAll();
  }

  #finish(): void {
    this.#last = true;
    if (!this.#answering && this.#waiting.length === 0) this.#end();
  }

  /** Our side is closed; a client that does not close its own in time is cut off. */
  #end(): void {
    this.#socket.end();
    this.#socket.resume();
    this.#socket.setTimeout(2_000, () => this.destroy());
  }

  #idle(): void {
    if (!this.#answering) this.destroy();
  }

  /** One after the other: answers must keep the order of the requests. Never rejects. */
  async #answerAll(): Promise<void> {
    this.#answering = true;
    try {
      for (let request; (request = this.#waiting.shift()) !== undefined;) {
        const action = await this.#options.answer(request);
        await turnEnd();
        if (this.#socket.destroyed) return;
        if (!this.#socket.write(actionLine(action), "latin1")) await this.#drained();
        if (this.#socket.isPaused() && this.#waiting.length < MAX_WAITING / 2)
          this.#socket.resume();
      }
    } catch (error) {
      this.#options.onError(error);
      this.destroy();
    } finally {
      this.#answering = false;
    }
    if (this.#last) this.#end();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.once("drain", done);
      this.#socket.once("close", done);
    });
  }
}
