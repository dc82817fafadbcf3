// Reads SMTP replies (RFC 5321 4.2.1) off a byte stream, bounded, for the client side of a connection. What the other
// side sends is not trusted: anything that is no reply is a fault, after which the stream means nothing any more.

/** One reply of a server: its code, and its text lines without the code. Octets above 127 appear as Latin-1. */
export interface PeerReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Octets of one reply line; RFC 5321 4.5.3.1.5 asks for 512. */
export const MAX_REPLY_LINE = 4096;
/** Lines of one reply; the longest honest ones are answers to EHLO. */
export const MAX_REPLY_LINES = 100;

/** A reply reader; `onReply` is called for each complete reply, in order, from within push(). */
export class ReplyReader {
  readonly #onReply: (reply: PeerReply) => void;
  #rest = "";
  #code = 0;
  #lines: string[] = [];

  constructor(onReply: (reply: PeerReply) => void) {
    this.#onReply = onReply;
  }

  /** True when part of a reply has come and the rest has not. */
  get midway(): boolean {
    return this.#rest !== "" || this.#lines.length > 0;
  }

  /** Takes the next octets. Null, or what is wrong with them: then the connection is of no further use. */
  push(chunk: Buffer): string | null {
    const text = this.#rest + chunk.toString("latin1");
    let from = 0;
    for (let lf = text.indexOf("\n"); lf !== -1; lf = text.indexOf("\n", from)) {
      if (lf - from > MAX_REPLY_LINE) return "reply line too long";
      const fault = this.#line(text.slice(from, text[lf - 1] === "\r" && lf > from ? lf - 1 : lf));
      if (fault !== null) return fault;
      from = lf + 1;
    }
    this.#rest = from === 0 ? text : text.slice(from);
    return this.#rest.length > MAX_REPLY_LINE ? "reply line too long" : null;
  }

  #line(line: string): string | null {
    if (!/^[2-5]\d\d(?:[ -]|$)/.test(line)) return "not an SMTP reply";
    const code = Number(line.slice(0, 3));
    if (this.#lines.length > 0 && code !== this.#code) return "reply changes its code midway";
    if (this.#lines.length >= MAX_REPLY_LINES) return "reply with too many lines";
    this.#code = code;
    this.#lines.push(line.slice(4));
    if (line[3] === "-") return null;
    const lines = this.#lines;
    this.#lines = [];
    this.#onReply({ code, lines });
    return null;
  }
}
