// What a client of clamd says (clamd(8)): commands that end in NUL (zINSTREAM) or newline (nINSTREAM, INSTREAM), and after INSTREAM
// chunks with their length in front. Octets in, events out; holds no more than one command. Used by servers/clamd.ts.

export type ClamdEvent =
  /** `end` is what ends the reply: NUL when the command ended so, else a newline. */
  | { readonly kind: "command"; readonly name: string; readonly end: "\0" | "\n" }
  /** Octets of the stream: a view of what was fed. */
  | { readonly kind: "octets"; readonly octets: Buffer }
  | { readonly kind: "end-of-stream" }
  | { readonly kind: "broken"; readonly why: string };

export interface ClamdReader {
  /** Takes what came; ask next() until it is null before more is fed. */
  feed(octets: Buffer): void;
  /** The next event, or null when more octets are needed. After INSTREAM a stream is read until its end. */
  next(): ClamdEvent | null;
}

const MAX_COMMAND = 1024;
const EMPTY = Buffer.alloc(0);
const NUL = 0;
const LF = 0x0a;
const Z = 0x7a;

export function clamdReader(): ClamdReader {
  let rest: Buffer = EMPTY;
  /** In a stream: octets of the chunk that are still to come; null between chunks. */
  let chunk: number | null = null;
  let streaming = false;
  let broken = false;

  const take = (count: number): Buffer => {
    const taken = rest.subarray(0, count);
    rest = rest.subarray(count);
    return taken;
  };
  const command = (): ClamdEvent | null => {
    const end = rest[0] === Z ? NUL : LF;
    const at = rest.indexOf(end);
    if (at < 0 ? rest.length > MAX_COMMAND : at > MAX_COMMAND) {
      broken = true;
      return { kind: "broken", why: "Command too long" };
    }
    if (at < 0) return null;
    const words = take(at + 1).toString("latin1", 0, at);
    const name = (/^[zn]/.test(words) ? words.slice(1) : words).replace(/\r$/, "");
    streaming = name === "INSTREAM";
    return { kind: "command", name, end: end === NUL ? "\0" : "\n" };
  };
  const stream = (): ClamdEvent | null => {
    if (chunk === null) {
      if (rest.length < 4) return null;
      chunk = take(4).readUInt32BE();
      if (chunk === 0) {
        chunk = null;
        streaming = false;
        return { kind: "end-of-stream" };
      }
    }
    if (rest.length === 0) return null;
    const octets = take(Math.min(chunk, rest.length));
    chunk = chunk === octets.length ? null : chunk - octets.length;
    return { kind: "octets", octets };
  };
  return {
    feed(octets) {
      rest = rest.length === 0 ? octets : Buffer.concat([rest, octets]);
    },
    next() {
      if (broken) return null;
      return streaming ? stream() : rest.length === 0 ? null : command();
    },
  };
}
