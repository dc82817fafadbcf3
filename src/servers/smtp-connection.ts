// The adapter between smtp-server's connection and our Session: octets in, replies out, time limits, closing. smtp-server
// keeps the socket (its events, its idle timer, half-closing); what it does with commands and DATA is replaced, since it
// waits 100 ms before the greeting, keeps XFORWARD for ever, rewrites envelopes, maps status codes from reply codes, removes repeated
// recipients, and un-stuffs dots after a bare LF.
import { isUtf8 } from "node:buffer";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import type { SMTPServer } from "smtp-server";
import { tempfail, wireReply, type Reply } from "../mail/reply.ts";
import { Session, STOPPING, type Peer } from "./smtp-session.ts";
import type { SmtpOptions } from "./smtp.ts";

/** What a connection needs of its listener. */
export interface Home {
  readonly options: SmtpOptions;
  readonly stopping: boolean;
  /** While stopping: a session that has begun no transaction may still begin its first one. */
  readonly lenient: boolean;
  /** Called once, when the socket is closed and nothing of the session is under way any more. */
  left(connection: Connection): void;
}

const LF = 10;
const CR = 13;
/** Octets that may wait while a message is judged; a client that sends more is not read. */
const READ_AHEAD = 128 * 1024;
/** Commands answered in one turn of the event loop. */
const COMMANDS_A_TURN = 100;
/** The client's way of leaving: no error of ours. */
const LEAVING = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ECONNABORTED",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
/** Octets of one over-long command that are read in the hope of its end. */
const MAX_SKIPPED = 1024 * 1024;
const ENDLESS = tempfail(421, "4.7.0", "Command line without end");
const TIMEOUT = tempfail(421, "4.4.2", "Timeout, closing connection");
const BROKEN = tempfail(421, "4.3.0", "Internal error, try again later");

export class Connection extends SMTPConnection {
  readonly #home: Home;
  readonly #session: Session;
  readonly #peer: Peer;
  /** Replies that are due and not yet written: one write per batch of commands. */
  #due = "";
  /** The start of a command whose line end has not come. */
  #partial: Buffer | null = null;
  /** Octets thrown away of an over-long command that was refused; null while there is none. */
  #skipped: number | null = null;
  /** Octets are being worked on. */
  #running = false;
  /** The client waits for us, not we for it. */
  #ourTurn = false;
  #gone: AbortController | null = null;
  #left = false;
  /** The client will send nothing more. */
  #ended = false;
  /** Octets behind the message that is being judged: a client that left has sent none, one that waits sent QUIT. */
  #behind = 0;
  /** Octets of the chunk that is being worked on; they still count in the parser's writableLength. */
  #chunk = 0;

  constructor(server: SMTPServer, socket: Socket, id: string, home: Home) {
    super(server, socket, { id });
    this.#home = home;
    this.#peer = { address: this.remoteAddress, port: this.remotePort };
    const line = {
      say: (text: string): void => {
        this.#due += text;
      },
      hangUp: (): void => this.#hangUp(),
    };
    this.#session = new Session(
      home.options,
      this.#peer,
      line,
      (begun) => home.stopping && (begun || !home.lenient),
    );
  }

  get peer(): Peer {
    return this.#peer;
  }

  /** Greets at once; `refusal` instead of a greeting ends the connection. */
  open(refusal: Reply | null): void {
    if (refusal === null) {
      this.#session.greet();
      this.#flush();
    }
    this._setListeners(() => {});
    this._socket.once("end", () => this.#halfClosed());
    if (refusal !== null) this.#quit(refusal);
  }

  /** Graceful stop: closes when idle; else the session ends after its transaction or at its next command. */
  stop(): void {
    if (!this.#session.stopping) return;
    if (!this.#running && this.#partial === null && this.#session.idle) this.#quit(STOPPING);
  }

  /** The end, whatever is under way. */
  kill(): void {
    if (this._closed) return;
    if (!this._closing) this.#quit(STOPPING);
    this._socket.destroySoon();
  }

  override _createParser(): SMTPStream {
    return new Octets((chunk, done) => this.#receive(chunk, done));
  }

  override _onTimeout(): void {
    if (this._closing) return void this._socket.destroy();
    if (this.#ourTurn) return this._armTimeout();
    this.#quit(TIMEOUT);
  }

  override _onError(error: Error & { code?: string | undefined }): void {
    if (!LEAVING.has(error.code ?? "")) this.#home.options.onError(error);
    this.close();
  }

  override _onClose(): void {
    super._onClose();
    this.#gone?.abort();
    this.#settle();
  }

  /**
   * QUIRK: Exim sends the last dot, QUIT and FIN together and waits for the reply. So a client that closed its half is answered
   * while anything that it sent is unread; one that closed it in the middle of a dialogue has left.
   */
  #halfClosed(): void {
    this.#ended = true;
    if (!this.#running) this.#hangUp();
    else if (this.#unread === 0) this.#gone?.abort();
  }

  /** Octets that came and are not worked on yet, behind the message that is being judged. */
  get #unread(): number {
    const parser = this._parser;
    return this.#behind + (parser === false ? 0 : parser.writableLength - this.#chunk);
  }

  #receive(chunk: Buffer, done: () => void): void {
    this.#running = true;
    this.#chunk = chunk.length;
    this.#work(chunk)
      .catch((error: unknown) => {
        this.#home.options.onError(error);
        this.#quit(BROKEN);
      })
      .then(() => {
        this.#running = false;
        this.#behind = 0;
        if (this.#ended && this.#unread === 0) this.#hangUp();
        this.#settle();
        done();
      }, this.#home.options.onError);
  }

  get #over(): boolean {
    return this._closing || this._closed;
  }

  /** Answers everything in `chunk`, command by command, message by message. */
  async #work(chunk: Buffer): Promise<void> {
    const input = this.#partial === null ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = null;
    // Of a chunk that is all message nothing may be left when the spool has it.
    const { length } = input;
    let commands = 0;
    for (let at = 0; at < length && !this.#over;) {
      if (this.#session.receiving) {
        at = await this.#data(input, at);
        continue;
      }
      const end = input.indexOf(LF, at);
      if (end < 0) {
        this.#keep(input.subarray(at));
        break;
      }
      if (this.#skipped === null) {
        const answer = this.#command(input, at, end);
        if (answer instanceof Promise) await this.#wait(answer);
      }
      this.#skipped = null;
      at = end + 1;
      if (++commands % COMMANDS_A_TURN === 0) await nextTurn();
    }
    this.#flush();
    if (this._socket.writableNeedDrain && !this.#over) await this.#drained();
  }

  /** Feeds DATA from `at` on and, at its end, waits for the verdict. Returns where to go on. */
  async #data(input: Buffer, at: number): Promise<number> {
    const { length } = input;
    const rest = at === 0 ? input : input.subarray(at);
    const taken = this.#session.receive(rest);
    const end = typeof taken === "number" ? taken : await this.#wait(taken);
    // Nobody reads a reply any more: the client keeps the message.
    if (end < 0 || this.#over) return length;
    this.#gone = new AbortController();
    this.#behind = length - at - end;
    if (this.#ended && this.#unread === 0) this.#gone.abort();
    await this.#wait(this.#session.judge(this.#gone.signal));
    this.#gone = null;
    return at + end;
  }

  #command(input: Buffer, from: number, end: number): Promise<void> | void {
    const to = end > from && input[end - 1] === CR ? end - 1 : end;
    const { maxCommandBytes, lineEnds } = this.#home.options;
    if (to - from > maxCommandBytes) return this.#session.refuse("too-long", "");
    const line = input.subarray(from, to);
    if (to === end && lineEnds === "refuse") return this.#session.refuse("bare-lf", "");
    if (!isUtf8(line)) return this.#session.refuse("not-unicode", line.toString("latin1"));
    return this.#session.command(line.toString("utf8"));
  }

  /** Keeps the start of a command. One that is over-long already is refused now, once, and thrown away. */
  #keep(rest: Buffer): void {
    if (this.#skipped === null && rest.length <= this.#home.options.maxCommandBytes) {
      this.#partial = Buffer.from(rest);
      return;
    }
    if (this.#skipped === null) this.#session.refuse("too-long", "");
    this.#skipped = (this.#skipped ?? 0) + rest.length;
    if (this.#skipped > MAX_SKIPPED) this.#quit(ENDLESS);
  }

  /** Waits for our own work; what the client may already read goes out meanwhile. */
  async #wait<T>(work: Promise<T>): Promise<T> {
    this.#ourTurn = true;
    const early = this.#due === "" ? null : setImmediate(() => this.#flush());
    try {
      return await work;
    } finally {
      this.#ourTurn = false;
      if (early !== null) clearImmediate(early);
    }
  }

  /** A client that sends commands and reads no replies is not read on. */
  #drained(): Promise<void> {
    const socket = this._socket;
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off("drain", done);
        socket.off("close", done);
        resolve();
      };
      socket.on("drain", done);
      socket.on("close", done);
    });
  }

  #flush(): void {
    const due = this.#due;
    if (due === "") return;
    this.#due = "";
    if (this._socket.writable) this._socket.write(due, "latin1");
  }

  #quit(reply: Reply): void {
    this.#due += wireReply(reply);
    this.#hangUp();
  }

  #hangUp(): void {
    this.#flush();
    this.close();
    this.#settle();
  }

  /** Frees what is left once the line is given up and nothing works on its octets. */
  #settle(): void {
    if (!this.#over || this.#running) return;
    this.#session.abandon();
    if (!this._closed || this.#left) return;
    this.#left = true;
    this.#home.left(this);
  }
}

/** smtp-server's parser with its parsing replaced: hands over chunks, one at a time. */
class Octets extends SMTPStream {
  readonly #take: (chunk: Buffer, done: () => void) => void;

  constructor(take: (chunk: Buffer, done: () => void) => void) {
    super({ highWaterMark: READ_AHEAD });
    this.#take = take;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | "buffer", next: () => void): void {
    if (this.isClosed || chunk.length === 0) return next();
    this.#take(chunk, next);
  }
}
