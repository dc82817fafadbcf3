// A sending MTA with a ledger: carries parcels over SMTP or LMTP, notes each recipient's acknowledgement the moment its reply is
// read, and tries again what was not acknowledged, as a queue does. For suites that kill the receiver.
import { connect, type Socket } from "node:net";

export interface Parcel {
  readonly id: number;
  /** What goes over the wire after 354, with the final dot. */
  readonly wire: Buffer;
  readonly to: readonly string[];
}

export interface Entry {
  /** Recipients that were answered 250, with that answer. */
  readonly acknowledged: Map<string, string>;
  /** On the clock of performance.now(): when it was first sent, and when its last acknowledgement was read. */
  readonly since: number;
  until: number;
  /** Tries that ended with an answer or with the connection. */
  tries: number;
  /** The longest that one try took from MAIL to the last answer or to the end of the connection, ms. */
  slowestMs: number;
  /** Times that a recipient was named without a final answer: it may have the message all the same. */
  unanswered: number;
  /** Answers that are neither 2xx nor 4xx. */
  readonly refusals: string[];
}

export interface Way {
  readonly port: number;
  readonly lmtp: boolean;
}

export interface Ledger {
  readonly entries: ReadonlyMap<number, Entry>;
  /** 4xx answers so far. */
  readonly deferred: number;
  /**
   * Carries parcels over one way until `next` has none left (null) and every one is acknowledged, or `signal` aborts. `paceMs`
   * lies between two messages.
   */
  carry(
    way: Way,
    next: () => Parcel | null,
    paceMs: () => number,
    signal: AbortSignal,
  ): Promise<void>;
}

export interface LedgerOptions {
  /** A receiver that says nothing for so long is given up; 30 s. */
  readonly silenceMs?: number;
}

/** An empty ledger; several `carry` may run at once. */
export function ledger({ silenceMs = 30_000 }: LedgerOptions = {}): Ledger {
  const entries = new Map<number, Entry>();
  let deferred = 0;
  const entryOf = (id: number): Entry => {
    const now = performance.now();
    const fresh: Entry = {
      acknowledged: new Map(),
      since: now,
      until: now,
      tries: 0,
      slowestMs: 0,
      unanswered: 0,
      refusals: [],
    };
    const entry = entries.get(id) ?? fresh;
    entries.set(id, entry);
    return entry;
  };
  const book = (entry: Entry, recipients: readonly string[], reply: string): void => {
    if (reply.startsWith("2")) {
      for (const one of recipients) entry.acknowledged.set(one, reply);
      entry.until = performance.now();
    } else if (reply.startsWith("4")) deferred++;
    else entry.refusals.push(reply);
  };

  const send = async (wire: Line, parcel: Parcel, lmtp: boolean): Promise<void> => {
    const entry = entryOf(parcel.id);
    const to = parcel.to.filter((one) => !entry.acknowledged.has(one));
    const commands = ["MAIL FROM:<ann@sender.example>", ...to.map((one) => `RCPT TO:<${one}>`)];
    for (const command of commands) {
      const reply = await wire.ask(`${command}\r\n`);
      if (!reply.startsWith("2")) return book(entry, [], reply);
    }
    const go = await wire.ask("DATA\r\n");
    if (!go.startsWith("354")) return book(entry, [], go);
    wire.write(parcel.wire);
    const groups = lmtp ? to.map((one) => [one]) : [to];
    let answered = 0;
    try {
      for (const group of groups) {
        book(entry, group, await wire.reply());
        answered += group.length;
      }
    } finally {
      entry.unanswered += to.length - answered;
    }
  };

  const timed = async (id: number, work: () => Promise<void>): Promise<void> => {
    const entry = entryOf(id);
    const begun = performance.now();
    try {
      await work();
    } finally {
      entry.tries++;
      entry.slowestMs = Math.max(entry.slowestMs, performance.now() - begun);
    }
  };

  const settled = ({ id, to }: Parcel): boolean => {
    const entry = entries.get(id);
    return (
      entry !== undefined && (entry.refusals.length > 0 || entry.acknowledged.size === to.length)
    );
  };

  return {
    entries,
    get deferred() {
      return deferred;
    },
    async carry(way, next, paceMs, signal) {
      const queue: Parcel[] = [];
      while (!signal.aborted) {
        const wire = line(way.port, silenceMs);
        try {
          await wire.reply();
          await wire.ask(`${way.lmtp ? "LHLO" : "EHLO"} mx.sender.example\r\n`);
          while (!signal.aborted) {
            // What failed comes after what is new, like a deferred queue: and every retry meets another moment.
            const parcel = next() ?? queue.shift() ?? null;
            if (parcel === null) return;
            try {
              await timed(parcel.id, () => send(wire, parcel, way.lmtp));
            } finally {
              if (!settled(parcel)) queue.push(parcel);
            }
            if (!settled(parcel)) break;
            await pause(paceMs());
          }
        } catch (error) {
          if (!(error instanceof Gone)) throw error;
        } finally {
          wire.close();
        }
        await pause(50);
      }
    },
  };
}

/** The connection ended: what was under way has no answer. */
class Gone extends Error {}

interface Line {
  write(octets: Buffer): void;
  /** The next reply, its last line. Throws Gone. */
  reply(): Promise<string>;
  ask(command: string): Promise<string>;
  close(): void;
}

function line(port: number, silenceMs: number): Line {
  const socket: Socket = connect(port, "127.0.0.1");
  let text = "";
  let gone = false;
  let wake: () => void = () => undefined;
  socket.setNoDelay(true);
  socket.setTimeout(silenceMs, () => socket.destroy());
  socket.on("data", (piece: Buffer) => {
    text += piece.toString("latin1");
    wake();
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    gone = true;
    wake();
  });
  const reply = async (): Promise<string> => {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*(\d{3}(?: [^\r\n]*)?)\r\n/.exec(text);
      if (match?.[1] !== undefined) {
        text = text.slice(match[0].length);
        return match[1];
      }
      if (gone) throw new Gone();
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return {
    write: (octets) => void (socket.destroyed || socket.write(octets)),
    reply,
    ask(command) {
      if (!socket.destroyed) socket.write(command, "latin1");
      return reply();
    },
    close: () => void socket.destroy(),
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
