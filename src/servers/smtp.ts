// The SMTP and LMTP listener (RFC 5321, 2033): one server for TCP or unix sockets over smtp-server. Here are its options, the
// interface of whoever judges the mail, listening and stopping; the dialogue is in smtp-session.ts. No policy.
import type { AddressInfo, ListenOptions, Server, Socket } from "node:net";
import { SMTPServer } from "smtp-server";
import type { LineFaults } from "../mail/lines.ts";
import type { Recipient, Transaction } from "../mail/message.ts";
import { reject, tempfail, type Reply } from "../mail/reply.ts";
import type { SpoolRoom, SpoolTap } from "../sys/spool.ts";
import type { Spool } from "../sys/spooled.ts";
import { Connection, type Home } from "./smtp-connection.ts";
import { STOPPING } from "./smtp-session.ts";

/**
 * Decides about transactions. The same Transaction object is handed to every call of one transaction; its recipients are those
 * accepted so far. Whatever throws or rejects is answered 451 4.3.0 and reported to onError. A reply with code 421 also
 * closes the connection.
 */
export interface SmtpHandler {
  /** MAIL: "ok" opens the transaction (its text is sent), anything else refuses it. */
  mail(transaction: Transaction): Reply | Promise<Reply>;
  /** RCPT: "ok" adds the recipient, repetitions too. */
  rcpt(transaction: Transaction, recipient: Recipient): Reply | Promise<Reply>;
  /** DATA, before 354: a reply that is not "ok" refuses and ends the transaction; null or absent: go on. */
  data?(transaction: Transaction): Reply | null | Promise<Reply | null>;
  /**
   * Just before 354: who is to see the octets while they arrive, unless the message stays in memory. Line ends are mended and dots
   * un-stuffed, as in the spool; a message that is refused or cut off just stops. Must not throw.
   */
  open?(transaction: Transaction): SpoolTap;
  /** The message has come to `octets`; false = no room for more: it is refused with 452 4.3.1. Must not throw. */
  grew?(transaction: Transaction, octets: number): boolean;
  /**
   * The whole message: one reply for SMTP and ESMTP, for LMTP one per recipient in order. `gone` is aborted when the client
   * has left (nobody reads the replies). The spool is disposed of when this settled. `faults` counts what was mended.
   */
  message(
    transaction: Transaction,
    spool: Spool,
    gone: AbortSignal,
    faults: LineFaults,
  ): Promise<readonly Reply[]>;
  /** The transaction is over, for whatever reason: exactly once for each MAIL that was answered "ok". */
  end?(transaction: Transaction): void;
}

export interface SmtpOptions {
  /** Short name for logs, "smtp:127.0.0.1:10024". */
  readonly name: string;
  /** Our name in the greeting. */
  readonly hostname: string;
  /** "smtp" answers HELO, EHLO and LHLO; "lmtp" only LHLO (RFC 2033 4.1). */
  readonly protocol: "smtp" | "lmtp";
  readonly handler: SmtpHandler;
  readonly spool: Pick<SpoolRoom, "create">;
  /** Which TCP peers may speak, by IP address (IPv4-mapped as IPv4); others get 554. Unix sockets are not asked. */
  readonly allow: (peer: string) => boolean;
  /** Failures of ours: a throwing handler, the spool, the socket. Clients that leave are none. */
  readonly onError: (error: unknown) => void;
  /** Whether EHLO offers DSN. */
  readonly dsn: boolean;
  /** "known": only parameters of what EHLO offers (and AUTH) are taken; "any": all (before-queue). */
  readonly parameters: "known" | "any";
  /** Bare CR, bare LF and NUL in a message: mended (lines.ts), or refused with 550 5.5.2. */
  readonly lineEnds: "normalise" | "refuse";
  /** Octets of a message; 0 = no limit. */
  readonly maxBytes: number;
  /** Accepted RCPTs per message. */
  readonly maxRecipients: number;
  /** Connections at once. */
  readonly maxConnections: number;
  /** Octets of a command line without its line end. */
  readonly maxCommandBytes: number;
  /** Commands without sense before the connection is closed with 421. */
  readonly maxErrors: number;
  /** How long a client may say nothing. */
  readonly idleMs: number;
  /** How long all of DATA may take. */
  readonly dataMs: number;
}

/** Values that fit most listeners. */
export const SMTP_DEFAULTS: Pick<
  SmtpOptions,
  | "protocol"
  | "dsn"
  | "parameters"
  | "lineEnds"
  | "maxBytes"
  | "maxRecipients"
  | "maxConnections"
  | "maxCommandBytes"
  | "maxErrors"
  | "idleMs"
  | "dataMs"
> = {
  protocol: "smtp",
  dsn: false,
  parameters: "known",
  lineEnds: "normalise",
  maxBytes: 100 * 1024 * 1024,
  maxRecipients: 1100,
  maxConnections: 1000,
  maxCommandBytes: 8192,
  maxErrors: 20,
  idleMs: 300_000,
  dataMs: 1_200_000,
};

export interface SmtpListener {
  /** The bound server, for whoever wants its events. */
  readonly server: Server;
  /** Connections whose socket is open or whose message is still judged. */
  readonly connections: number;
  /** Binds; rejects with the system's error (EADDRINUSE …). Resolves to the address, or the path of a unix socket. */
  listen(where: ListenOptions): Promise<AddressInfo | string>;
  /**
   * Stops: no new connections, idle ones get 421 4.3.2, transactions that were begun end with their reply. After `graceMs` the rest
   * is cut off. `firstMs`: how long a session that has begun no transaction yet may still begin one (another process takes the
   * new connections). Resolves when no connection is left, or when the rest was cut off; never rejects.
   */
  close(graceMs: number, firstMs?: number): Promise<void>;
}

const NOT_ALLOWED = reject(554, "5.7.1", "Access denied");
const TOO_MANY = tempfail(421, "4.3.2", "Too many connections, try again later");
/** How long a cut-off client has to read its 421. */
const LAST_WORD_MS = 500;

/** A listener that does not listen yet. */
export function smtpServer(options: SmtpOptions): SmtpListener {
  return new Listener(options);
}

/** smtp-server's server with its connections replaced by ours. */
class Acceptor extends SMTPServer {
  readonly #accept: (socket: Socket) => void;

  constructor(hostname: string, idleMs: number, accept: (socket: Socket) => void) {
    super({
      name: hostname,
      socketTimeout: idleMs,
      logger: false,
      disabledCommands: ["AUTH", "STARTTLS"],
      disableReverseLookup: true,
      // Passed on to net.createServer: a client may close its half and still wait for our reply (Exim does).
      ...{ allowHalfOpen: true },
    });
    this.#accept = accept;
  }

  override connect(socket: Socket): void {
    this.#accept(socket);
  }
}

class Listener implements SmtpListener, Home {
  readonly options: SmtpOptions;
  readonly #acceptor: Acceptor;
  readonly #open = new Set<Connection>();
  stopping = false;
  lenient = false;
  #count = 0;
  #emptied: (() => void) | null = null;

  constructor(options: SmtpOptions) {
    this.options = options;
    this.#acceptor = new Acceptor(options.hostname, options.idleMs, (socket) =>
      this.#connect(socket),
    );
  }

  get server(): Server {
    return this.#acceptor.server;
  }

  get connections(): number {
    return this.#open.size;
  }

  listen(where: ListenOptions): Promise<AddressInfo | string> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(error);
      this.#acceptor.once("error", failed);
      this.#acceptor.listen(where, () => {
        this.#acceptor.off("error", failed);
        this.#acceptor.on("error", this.options.onError);
        resolve(this.server.address() ?? "");
      });
    });
  }

  async close(graceMs: number, firstMs = 0): Promise<void> {
    this.stopping = true;
    this.lenient = firstMs > 0;
    // Not SMTPServer.close(): that cuts off transactions at their next command.
    this.server.close();
    // What was accepted in this turn reaches us at its end: the acceptor looks for PROXY first.
    await new Promise((resolve) => setImmediate(resolve));
    for (const connection of this.#open) connection.stop();
    if (this.lenient) {
      if (await this.#empty(Math.min(firstMs, graceMs))) return;
      this.lenient = false;
      for (const connection of this.#open) connection.stop();
    }
    if (await this.#empty(Math.max(0, graceMs - firstMs))) return;
    for (const connection of this.#open) connection.kill();
    if (await this.#empty(LAST_WORD_MS)) return;
    for (const connection of this.#open) connection._socket.destroy();
  }

  left(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#emptied?.();
  }

  #connect(socket: Socket): void {
    const id = String(++this.#count);
    const connection = new Connection(this.#acceptor, socket, id, this);
    this.#open.add(connection);
    connection.open(this.#refusal(connection.peer.address));
  }

  #refusal(peer: string): Reply | null {
    if (peer !== "" && !this.options.allow(peer)) return NOT_ALLOWED;
    if (this.stopping && !this.lenient) return STOPPING;
    return this.#open.size > this.options.maxConnections ? TOO_MANY : null;
  }

  /** True as soon as no connection is left, false when there still is one after `ms`. */
  #empty(ms: number): Promise<boolean> {
    if (this.#open.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.#emptied = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
