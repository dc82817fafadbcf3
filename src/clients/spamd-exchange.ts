// One question to one spamd on a connection of its own: REPORT with a message, or PING. Called by spamd.ts, which knows several
// spamds and bounds how many questions are under way, and by `postern doctor`.
import { connect, type Socket } from "node:net";
import type { Body } from "../mail/message.ts";
import type { Endpoint } from "./endpoint.ts";
import { failure, MAX_REPLY, parseReply, replySize } from "./spamd-reply.ts";
import type { SpamdFailure, SpamdReply } from "./spamd-reply.ts";

export interface ExchangeLimits {
  /** Milliseconds until the connection must be there. */
  readonly connectMs: number;
  /** Milliseconds for all of it. */
  readonly deadlineMs: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/**
 * Asks for the score of a message. `user` selects that user's preferences, null the server's. Never rejects. The pieces of the
 * body are lent: none is looked at any more once the next one is asked for.
 */
export async function askReport(
  at: Endpoint["at"],
  body: Body,
  user: string | null,
  limits: ExchangeLimits,
): Promise<SpamdReply> {
  const name = user !== null && /^[\x21-\x7e]{1,320}$/.test(user) ? `User: ${user}\r\n` : "";
  // QUIRK: spamd knows its headers in exactly this spelling and reads until the client closes when it finds no length.
  const head = `REPORT SPAMC/1.5\r\n${name}Content-length: ${body.size}\r\n\r\n`;
  const heard = await exchange(at, head, body, limits);
  return Buffer.isBuffer(heard) ? parseReply(heard) : heard;
}

/** null when it is up and serves; else why not, in words. Never rejects, ends within `ms`. */
export async function askPing(at: Endpoint["at"], ms: number): Promise<string | null> {
  const limits = { connectMs: ms, deadlineMs: ms, signal: new AbortController().signal };
  const heard = await exchange(at, "PING SPAMC/1.5\r\n\r\n", null, limits);
  if (!Buffer.isBuffer(heard)) return heard.why;
  const pong = /^SPAMD\/\d{1,2}\.\d{1,2} 0 PONG\r\n$/.test(heard.toString("latin1", 0, 100));
  return pong ? null : "its answer to PING is none of spamd's";
}

const CLOSED = "closed without an answer";
/** What a connection that the other side closed may end with, as its octets and ours cross. */
const HUNG_UP = new Set(["ECONNRESET", "EPIPE"]);

function exchange(
  at: Endpoint["at"],
  head: string,
  body: Body | null,
  { connectMs, deadlineMs, signal }: ExchangeLimits,
): Promise<Buffer | SpamdFailure> {
  return new Promise((resolve) => {
    const socket = connect(at);
    const heard = new Heard(body === null ? pongSize : replySize);
    let connected = false;
    let sent = false;
    const done = (result: Buffer | SpamdFailure): void => {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      socket.removeAllListeners().on("error", () => undefined);
      socket.destroy();
      resolve(result);
    };
    const stop = (): void => done(failure("given-up", "given up"));
    const silent = (what: string, ms: number): NodeJS.Timeout =>
      setTimeout(() => done(failure("silent", `no ${what} within ${Math.round(ms)} ms`)), ms);
    const connecting = silent("connection", connectMs);
    const timers = [connecting, silent("answer", deadlineMs)];
    const ended = (why: string): void => {
      if (!connected) done(failure("unreachable", why));
      else done(heard.length > 0 ? whole(heard.octets(), sent) : failure("broken", why));
    };
    signal.addEventListener("abort", stop, { once: true });
    socket.setNoDelay(true);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message;
      ended(connected && HUNG_UP.has(code) ? CLOSED : code);
    });
    socket.on("close", () => ended(CLOSED));
    socket.on("data", (piece: Buffer) => {
      heard.add(piece);
      if (heard.length > MAX_REPLY) done(failure("broken", "its answer has no end"));
      else if (heard.isWhole) done(whole(heard.octets(), sent));
    });
    socket.on("connect", () => {
      connected = true;
      clearTimeout(connecting);
      send(socket, head, body).then(
        (wrong) => (wrong === null ? (sent = true) : done(failure("given-up", wrong))),
        (error: unknown) =>
          done(failure("given-up", `the message could not be read: ${(error as Error).message}`)),
      );
    });
    if (signal.aborted) stop();
  });
}

/** What came so far. Joined only while the head is not there, which is short: an answer may come octet by octet. */
class Heard {
  length = 0;
  readonly #pieces: Buffer[] = [];
  readonly #sizeOf: (octets: Buffer) => number | null;
  #size: number | null = null;

  constructor(sizeOf: (octets: Buffer) => number | null) {
    this.#sizeOf = sizeOf;
  }

  add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.length += piece.length;
    this.#size ??= this.#sizeOf(this.octets());
  }

  octets(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** True when no more can follow. */
  get isWhole(): boolean {
    return this.#size !== null && this.length >= this.#size;
  }
}

function pongSize(octets: Buffer): number | null {
  const at = octets.indexOf("\r\n");
  return at < 0 ? (octets.length > 100 ? octets.length : null) : at + 2;
}

/** A score that came before the message was sent cannot be its score; a refusal can. */
function whole(octets: Buffer, sent: boolean): Buffer | SpamdFailure {
  if (sent || parseReply(octets).kind === "error") return octets;
  return failure("broken", "answered before it had the message");
}

/** null when all is with the kernel, or the socket is gone; words when the body is not what it said. Rejects when it cannot be read. */
async function send(socket: Socket, head: string, body: Body | null): Promise<string | null> {
  if (body === null) {
    await write(socket, Buffer.from(head, "latin1"));
    return null;
  }
  let size = 0;
  socket.cork();
  socket.write(head, "latin1");
  const pieces = body.bytes ?? body.lend?.() ?? body.open();
  for await (const piece of pieces) {
    size += piece.length;
    if (size > body.size) break;
    const written = write(socket, piece);
    if (socket.writableCorked > 0) socket.uncork();
    await written;
    if (socket.destroyed) return null;
  }
  if (socket.writableCorked > 0) socket.uncork();
  return size === body.size ? null : "the message changed its length";
}

/** Resolves when the kernel has the octets, or never will. */
function write(socket: Socket, octets: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.write(octets, () => resolve());
  });
}
