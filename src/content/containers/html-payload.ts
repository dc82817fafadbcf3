// Payloads in the text of a page: data: URIs (RFC 2397) and long runs of base64, also where a script joins it from several strings. Used
// by html.ts.
import { Cursor } from "./cursor.ts";
import { HEX } from "./hex.ts";
import type { Octets } from "./octets.ts";

export interface Payload {
  /** Declared type of a data: URI, "" when it has none; null for base64 that stands alone. */
  readonly type: string | null;
  /** Its first octets. */
  readonly start: Buffer;
  readonly octets: () => Iterable<Buffer>;
}

const WINDOW = 64 * 1024;
const OVERLAP = 1_024;
const START = 2_048;
const PIECE = 16 * 1024;
/** A data: URI up to its comma, or the start of a run that is long enough. */
const STARTS =
  /data:([a-z]{1,20}\/[a-z0-9.+-]{1,100})?((?:;[a-z0-9.=" -]{1,100}){0,4}),|(?<![\w+/-])[\w+/-]{40}/gi;

/** All payloads in order; linear. */
export function* payloads(page: Octets): Generator<Payload> {
  let done = 0;
  for (let base = 0; base < page.size; base += WINDOW) {
    const start = Math.max(0, base - OVERLAP);
    const text = page.read(start, base - start + WINDOW + OVERLAP).toString("latin1");
    STARTS.lastIndex = Math.max(base, done) - start;
    for (let found = STARTS.exec(text); found !== null; found = STARTS.exec(text)) {
      const at = start + found.index;
      if (at >= base + WINDOW) break;
      const uri = found[0].includes(":");
      const from = uri ? at + found[0].length : at;
      const encoded = !uri || /;\s*base64\s*$/i.test(found[2] ?? "");
      const read = encoded ? base64From : percentFrom;
      const quote = encoded ? "" : (text[found.index - 1] ?? "");
      const payload = startOf(read(page, from, quote));
      yield {
        type: uri ? (found[1] ?? "").toLowerCase() : null,
        start: payload,
        octets: () => read(page, from, quote),
      };
      done = encoded ? endOfRun(page, from) : from;
      STARTS.lastIndex = Math.max(STARTS.lastIndex, done - start);
      if (STARTS.lastIndex >= text.length) break;
    }
  }
}

function startOf(from: Iterable<Buffer>): Buffer {
  for (const piece of from) return Buffer.from(piece.subarray(0, START));
  return Buffer.alloc(0);
}

/** The base64 characters from `at` on, across line ends, escapes and strings that are joined. */
class Run {
  readonly cursor: Cursor;

  constructor(page: Octets, at: number) {
    this.cursor = new Cursor(page, at);
  }

  /** The next character in the usual alphabet, -1 at the end. */
  next(): number {
    for (;;) {
      const octet = this.cursor.next();
      if (octet === 0x2d) return 0x2b;
      if (octet === 0x5f) return 0x2f;
      if (octet >= 0 && BASE64[octet] === 1) return octet;
      if (octet <= 0x20 && octet >= 0) continue;
      if (octet === 0x25) return this.#escaped();
      // "\n" and a line that goes on.
      if (octet === 0x5c) this.cursor.next();
      else if (!this.#joined(octet)) return -1;
    }
  }

  #escaped(): number {
    const octet = (HEX[this.cursor.next() & 0xff]! << 4) | HEX[this.cursor.next() & 0xff]!;
    return octet >= 0 && BASE64[octet] === 1 ? octet : 0x20;
  }

  /** True for a quote after which another string is added to the first. */
  #joined(octet: number): boolean {
    if (octet !== 0x22 && octet !== 0x27 && octet !== 0x60) return false;
    const at = this.cursor.at;
    let plus = 0;
    for (let i = 0; i < 32; i++) {
      const next = this.cursor.next();
      if (next === 0x2b) plus++;
      else if (plus === 1 && (next === 0x22 || next === 0x27 || next === 0x60)) return true;
      else if (next > 0x20 || next < 0) break;
    }
    this.cursor.seek(at - 1);
    return false;
  }
}

function* base64From(page: Octets, at: number): Generator<Buffer> {
  const run = new Run(page, at);
  const room = Buffer.allocUnsafe(PIECE);
  let length = 0;
  for (let octet = run.next(); octet >= 0; octet = run.next()) {
    if (octet === 0x20 || octet === 0x3d) continue;
    room[length++] = octet;
    if (length < PIECE) continue;
    yield Buffer.from(room.toString("latin1"), "base64");
    length = 0;
  }
  if (length > 0) yield Buffer.from(room.toString("latin1", 0, length), "base64");
}

function endOfRun(page: Octets, at: number): number {
  const run = new Run(page, at);
  while (run.next() >= 0);
  return run.cursor.at;
}

/** What is written plainly or as %XX, up to the quote that ends the attribute; without one up to white space or a bracket. */
function* percentFrom(page: Octets, at: number, quote: string): Generator<Buffer> {
  const ends = /["'`]/.test(quote) ? quote : "\"'`<>() \t\r\n";
  const cursor = new Cursor(page, at);
  const room = Buffer.allocUnsafe(PIECE);
  let length = 0;
  for (let octet = cursor.next(); octet >= 0; octet = cursor.next()) {
    if (ends.includes(String.fromCharCode(octet))) break;
    const high = octet === 0x25 ? HEX[cursor.peek() & 0xff]! : -1;
    if (high >= 0) {
      cursor.next();
      const low = HEX[cursor.next() & 0xff]!;
      room[length++] = (high << 4) | (low & 15);
    } else room[length++] = octet;
    if (length < PIECE) continue;
    yield Buffer.from(room);
    length = 0;
  }
  if (length > 0) yield room.subarray(0, length);
}

const BASE64 = new Uint8Array(256);
for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
  BASE64[letter.charCodeAt(0)] = 1;

/** The page with one octet for each character: of UTF-16, which starts with a mark, the low octets. */
export function narrow(file: Octets): Octets {
  const mark = file.read(0, 2).toString("hex");
  if (mark !== "fffe" && mark !== "feff") return file;
  const low = mark === "fffe" ? 0 : 1;
  return {
    size: (file.size >> 1) - 1,
    read(at, length) {
      const wide = file.read(2 + at * 2, length * 2);
      const found = Buffer.allocUnsafe(wide.length >> 1);
      for (let i = 0; i < found.length; i++) found[i] = wide[i * 2 + low]!;
      return found;
    },
  };
}
