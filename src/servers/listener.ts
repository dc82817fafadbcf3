// Listening, for protocols that need no more than a socket a client (policy, clamd): who may connect, how many at once, and an end
// that lets what is under way finish. What is said on a connection is the caller's.
import {
  createServer,
  type AddressInfo,
  type ListenOptions,
  type Server,
  type Socket,
} from "node:net";

export interface ListenerOptions {
  /** Which TCP peers may connect, by IP address (IPv4-mapped as IPv4); others are closed. Unix sockets are not asked. */
  readonly allow: (peer: string) => boolean;
  /** Failures of the listening socket. */
  readonly onError: (error: unknown) => void;
  /** Connections at once; more are closed. */
  readonly maxConnections: number;
}

export interface Conversation {
  /** Answers what has come, then ends. */
  stop(): void;
  destroy(): void;
}

export interface Listener {
  readonly server: Server;
  readonly connections: number;
  /** Binds; rejects with the system's error (EADDRINUSE …). Resolves to the address, or the path of a unix socket. */
  listen(where: ListenOptions): Promise<AddressInfo | string>;
  /**
   * Stops: no new connections; what was asked is answered, then connections are closed. After `graceMs` the rest is cut off. With
   * `firstMs` (another process takes the new connections) those that are open get a moment, at most that, in which to ask what they
   * came for. Resolves when no connection is left; never rejects.
   */
  close(graceMs: number, firstMs?: number): Promise<void>;
}

/** A listener that does not listen yet. Sockets are half-open: the end of what a client sends is not the end of the connection. */
export function listener(
  options: ListenerOptions,
  converse: (socket: Socket) => Conversation,
): Listener {
  return new Listening(options, converse);
}

/** What a client that has just connected needs to send its question. */
const MOMENT_MS = 1000;

class Listening implements Listener {
  readonly server: Server;
  readonly #options: ListenerOptions;
  readonly #converse: (socket: Socket) => Conversation;
  readonly #open = new Set<Conversation>();
  #stopping = false;
  #emptied: (() => void) | null = null;

  constructor(options: ListenerOptions, converse: (socket: Socket) => Conversation) {
    this.#options = options;
    this.#converse = converse;
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#connect(socket),
    );
  }

  get connections(): number {
    return this.#open.size;
  }

  listen(where: ListenOptions): Promise<AddressInfo | string> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(where, () => {
        this.server.off("error", reject);
        this.server.on("error", this.#options.onError);
        resolve(this.server.address() ?? "");
      });
    });
  }

  async close(graceMs: number, firstMs = 0): Promise<void> {
    this.#stopping = true;
    this.server.close();
    const moment = Math.min(firstMs, graceMs, MOMENT_MS);
    if (moment > 0 && this.#open.size > 0)
      await new Promise((resolve) => setTimeout(resolve, moment));
    for (const conversation of this.#open) conversation.stop();
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const conversation of this.#open) conversation.destroy();
      }, graceMs);
      this.#emptied = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #connect(socket: Socket): void {
    const peer = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    const welcome = !this.#stopping && (peer === "" || this.#options.allow(peer));
    if (!welcome || this.#open.size >= this.#options.maxConnections) {
      // Whatever goes wrong on a connection that we close anyway is nobody's concern.
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    const conversation = this.#converse(socket);
    this.#open.add(conversation);
    socket.once("close", () => {
      this.#open.delete(conversation);
      if (this.#open.size === 0) this.#emptied?.();
    });
  }
}
