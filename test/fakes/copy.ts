// Copies and recipients for tests of destinations.
import type { Copy } from "../../src/mail/destination.ts";
import { UNKNOWN_CLIENT, type Body, type Recipient } from "../../src/mail/message.ts";

/** A recipient from its raw address; the last "@" parts it. */
export function rcpt(raw: string, ...params: string[]): Recipient {
  const at = raw.lastIndexOf("@");
  return { address: { raw, local: raw.slice(0, at), domain: raw.slice(at + 1) }, params };
}

/** A body in memory, cut into pieces of at most `piece` octets. */
export function octets(content: string | Buffer, piece: number = Infinity): Body {
  const whole = Buffer.from(content as string);
  const bytes: Buffer[] = [];
  for (let at = 0; at < whole.length; at += piece) {
    bytes.push(whole.subarray(at, Math.min(whole.length, at + piece)));
  }
  return {
    size: whole.length,
    bytes,
    open: async function* () {
      yield* bytes;
    },
  };
}

/** A body as a spool file gives it: only through open(). */
export function streamed(size: number, open: () => AsyncIterable<Buffer>): Body {
  return { size, bytes: null, open };
}

export const MESSAGE = "Subject: hello\r\n\r\nbody\r\n.dot\r\n..\r\n";

/** A copy of a small message with dots in it; `change` replaces what a test is about. */
export function copyOf(change: Partial<Copy> = {}): Copy {
  return {
    id: "00042-01",
    mailId: "abcdefABCDEF",
    sender: rcpt("from@example.org").address,
    senderParams: [],
    client: UNKNOWN_CLIENT,
    xforward: new Map(),
    body: octets(MESSAGE),
    folder: null,
    tainted: false,
    ...change,
  };
}
