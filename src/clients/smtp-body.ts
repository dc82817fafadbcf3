// Sends a message's octets after 354 (RFC 5321 4.5.2), dot-stuffed, in pieces, at the peer's speed; all but the last
// piece, which the caller sends together with the final dot: a small message costs one write and one packet.
import type { Body } from "../mail/message.ts";
import { dotStuff, endOfData } from "../mail/dot-stuff.ts";
import { isFailure, type Connection, type Failure } from "./smtp-connection.ts";

/** Held back at most, and written at most without asking whether the peer keeps up. */
const PIECE = 64 * 1024;
const STEP = "fwd-data-contents";
const LF = 0x0a;
const CR = 0x0d;

/** The rest of the message, final dot included: writing it is the last step. */
export interface Rest {
  readonly last: readonly Buffer[];
}

/**
 * Sends the body but for the rest. Fails, and ends the connection (nothing arrives without its dot), when the peer takes
 * nothing for `stallMs`, speaks or closes, or when the body cannot be read or has another length than it says.
 */
export async function sendBody(
  connection: Connection,
  body: Body,
  stallMs: number,
): Promise<Rest | Failure> {
  const writer = new PieceWriter(connection, stallMs);
  if (body.bytes !== null) {
    for (const buffer of body.bytes) {
      const failure = writer.add(buffer);
      if (failure !== null) {
        const failed = await failure;
        if (failed !== null) return failed;
      }
    }
  } else {
    const failed = await copySpool(connection, body, writer, stallMs);
    if (failed !== null) return failed;
  }
  if (writer.size !== body.size) connection.fail("spool", "the message changed its length");
  if (connection.fault === null) return { last: writer.rest() };
  return connection.ended(STEP);
}

async function copySpool(
  connection: Connection,
  body: Body,
  writer: PieceWriter,
  stallMs: number,
): Promise<Failure | null> {
  let reader: AsyncIterator<Buffer> | null = null;
  const lent = body.lend !== undefined;
  const pull = async (): Promise<IteratorResult<Buffer> | { readonly error: unknown }> => {
    try {
      reader ??= (body.lend?.() ?? body.open())[Symbol.asyncIterator]();
      return await reader.next();
    } catch (error) {
      return { error };
    }
  };
  try {
    for (;;) {
      const next = await connection.during(pull(), STEP, stallMs);
      if (isFailure(next)) return next;
      if ("error" in next) {
        connection.fail("spool", `cannot read the message: ${String(next.error)}`);
        return connection.ended(STEP);
      }
      if (next.done === true) return null;
      const failed = await writer.add(next.value);
      if (failed !== null) return failed;
      const kept = lent ? await writer.letGo(body.size) : null;
      if (kept !== null) return kept;
    }
  } finally {
    release(reader);
  }
}

/** Ends an iteration early. Not waited for: a reader that is stuck answers only when its read is over. */
function release(reader: AsyncIterator<Buffer> | null): void {
  // Whether it could tidy up is its owner's concern; the outcome of the transaction is settled already.
  reader?.return?.().catch(() => undefined);
}

class PieceWriter {
  size = 0;
  readonly #connection: Connection;
  readonly #stallMs: number;
  #held: Buffer[] = [];
  #heldSize = 0;
  #previous = LF;
  #last = LF;

  constructor(connection: Connection, stallMs: number) {
    this.#connection = connection;
    this.#stallMs = stallMs;
  }

  /** Null when the octets could be held back: then nothing is to be waited for. */
  add(buffer: Buffer): Promise<Failure | null> | null {
    if (this.#heldSize + buffer.length <= PIECE) {
      this.#hold(buffer);
      return null;
    }
    return this.#addLarge(buffer);
  }

  /** Makes what came so far changeable: it is with the kernel, or, when it is the end of the message, a copy is held back. */
  async letGo(bodySize: number): Promise<Failure | null> {
    if (this.size < bodySize) {
      if (this.#heldSize > 0) this.#write();
    } else this.#held = this.#held.map((piece) => Buffer.from(piece));
    const taken = await this.#connection.taken(STEP, this.#stallMs);
    return isFailure(taken) ? taken : null;
  }

  rest(): readonly Buffer[] {
    const ended = this.size === 0 || (this.#previous === CR && this.#last === LF);
    this.#held.push(endOfData(ended));
    return this.#held;
  }

  async #addLarge(buffer: Buffer): Promise<Failure | null> {
    for (let at = 0; at < buffer.length; at += PIECE) {
      const piece = buffer.subarray(at, at + PIECE);
      if (this.#heldSize + piece.length > PIECE) {
        const full = this.#write();
        const failed = full ? await this.#connection.drained(STEP, this.#stallMs) : null;
        if (failed !== null && isFailure(failed)) return failed;
        if (this.#connection.fault !== null) return this.#connection.ended(STEP);
      }
      this.#hold(piece);
    }
    return null;
  }

  /** True: the peer does not keep up. */
  #write(): boolean {
    const full = this.#connection.write(this.#held, 0);
    this.#held = [];
    this.#heldSize = 0;
    return full;
  }

  #hold(octets: Buffer): void {
    if (octets.length === 0) return;
    this.#held.push(dotStuff(octets, this.#last === LF));
    this.#heldSize += octets.length;
    this.size += octets.length;
    this.#previous = octets.length > 1 ? (octets[octets.length - 2] as number) : this.#last;
    this.#last = octets[octets.length - 1] as number;
  }
}
