// What a client of spamd says (spamd's PROTOCOL, 1.0 to 1.5) and what Exim says to rspamd in the same manner (RSPAMC): a line, headers, a
// message. Octets in, events out; holds no more than the head. Read as spamd reads, its odd ways included. Used by spamd.ts.

export type SpamdMethod =
  | "PROCESS"
  | "CHECK"
  | "SYMBOLS"
  | "REPORT"
  | "HEADERS"
  | "REPORT_IFSPAM"
  | "TELL"
  | "SKIP"
  | "PING";

export interface SpamdRequest {
  readonly method: SpamdMethod;
  /** "SPAMC/1.5" is 1.5; what is no number is 0. */
  readonly version: number;
  /** RSPAMC: the envelope comes in headers, and the answer is rspamd's. */
  readonly rspamd: boolean;
  /** Octets to come; null: until the client's end. */
  readonly length: number | null;
  readonly compressed: boolean;
  readonly user: string | null;
  /** TELL. */
  readonly tell: SpamdTell;
  /** RSPAMC: values by lower-case name, in order. */
  readonly facts: ReadonlyMap<string, readonly string[]>;
}

export interface SpamdTell {
  readonly messageClass: string;
  readonly setLocal: boolean;
  readonly setRemote: boolean;
  readonly removeLocal: boolean;
  readonly removeRemote: boolean;
}

export type SpamdEvent =
  | { readonly kind: "request"; readonly request: SpamdRequest }
  /** Octets of the message: a view of what was fed. */
  | { readonly kind: "octets"; readonly octets: Buffer }
  /** The message is whole; `got` octets came where `length` were announced. */
  | { readonly kind: "end"; readonly got: number }
  /** In spamd's words, for "Bad header line: ". */
  | { readonly kind: "broken"; readonly why: string };

export interface SpamdReader {
  /** Takes what came; ask next() until it is null before more is fed. */
  feed(octets: Buffer): void;
  /** The client has ended its side. */
  finish(): void;
  next(): SpamdEvent | null;
}

const MAX_LINE = 8192;
const MAX_HEADERS = 256;
/** Octets of the lines before the message: what rspamd's clients say of it is kept. */
const MAX_HEAD = 128 * 1024;
const EMPTY = Buffer.alloc(0);

export function spamdReader(): SpamdReader {
  return new Reader();
}

class Reader implements SpamdReader {
  #rest: Buffer = EMPTY;
  #ended = false;
  #stage: "line" | "headers" | "body" | "over" = "line";
  #head: Head | null = null;
  #headers = 0;
  #headSize = 0;
  #got = 0;

  feed(octets: Buffer): void {
    this.#rest = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
  }

  finish(): void {
    this.#ended = true;
  }

  next(): SpamdEvent | null {
    switch (this.#stage) {
      case "line":
        return this.#first();
      case "headers":
        return this.#header();
      case "body":
        return this.#body();
      case "over":
        return null;
    }
  }

  /** A line with its end; the last one may have none. null: more is needed, or there is no more. */
  #line(): string | null {
    const at = this.#rest.indexOf(0x0a);
    if (at < 0 && !this.#ended && this.#rest.length <= MAX_LINE) return null;
    const end = Math.min(at < 0 ? this.#rest.length : at + 1, MAX_LINE);
    if (end === 0) return null;
    const line = this.#rest.toString("latin1", 0, end);
    this.#rest = this.#rest.subarray(end);
    return line;
  }

  #first(): SpamdEvent | null {
    const line = this.#line();
    if (line === null) return this.#ended ? this.#broken("(closed before headers)") : null;
    const text = line.replace(/\r?\n/, "");
    const head = headOf(text);
    if (head === null) return this.#broken(text);
    this.#head = head;
    if (!head.hasHeaders) return this.#begin(head);
    this.#stage = "headers";
    return this.#header();
  }

  #header(): SpamdEvent | null {
    for (const head = this.#head; head !== null;) {
      const line = this.#line();
      if (line === null) return this.#ended ? this.#broken("(EOF during headers)") : null;
      this.#headSize += line.length;
      if (this.#headSize > MAX_HEAD) return this.#broken("(too many headers)");
      // QUIRK: a line that ends in a bare LF is not empty.
      const text = line.replace(/\r\n$/, "");
      if (text === "") return this.#begin(head);
      const wrong = takeHeader(head, text);
      if (wrong !== null) return this.#broken(wrong);
      if (++this.#headers >= MAX_HEADERS) return this.#broken("(too many headers)");
    }
    return null;
  }

  #begin(head: Head): SpamdEvent {
    const bare = head.method === "PING" || head.method === "SKIP";
    this.#stage = bare ? "over" : "body";
    return { kind: "request", request: head };
  }

  #body(): SpamdEvent | null {
    const length = this.#head?.length ?? null;
    const missing = length === null ? Infinity : length - this.#got;
    if (missing <= 0) return this.#whole();
    if (this.#rest.length === 0) return this.#ended ? this.#whole() : null;
    const octets = this.#rest.subarray(0, missing);
    this.#rest = this.#rest.subarray(octets.length);
    this.#got += octets.length;
    // QUIRK: spamd reads lines, so it sees the rest of a line that goes on behind the announced length, and then complains.
    if (this.#got === length && this.#rest.length > 0 && octets.at(-1) !== 0x0a) {
      const end = this.#rest.indexOf(0x0a);
      this.#got += end < 0 ? this.#rest.length : end + 1;
    }
    return { kind: "octets", octets };
  }

  #whole(): SpamdEvent {
    this.#stage = "over";
    return { kind: "end", got: this.#got };
  }

  #broken(why: string): SpamdEvent {
    this.#stage = "over";
    return { kind: "broken", why };
  }
}

interface Head extends SpamdRequest {
  readonly hasHeaders: boolean;
  length: number | null;
  compressed: boolean;
  user: string | null;
  readonly tell: { -readonly [K in keyof SpamdTell]: SpamdTell[K] };
  readonly facts: Map<string, string[]>;
}

/** null: no request at all. */
function headOf(text: string): Head | null {
  // QUIRK: spamd looks for its commands anywhere in the line.
  const found =
    /(PROCESS|CHECK|SYMBOLS|REPORT|HEADERS|REPORT_IFSPAM) (R?)SPAMC\/(.*)/.exec(text) ??
    /(TELL) ()SPAMC\/(.*)/.exec(text) ??
    /(SKIP|PING) ()SPAMC\/(.*)/.exec(text);
  if (found === null) return null;
  const method = found[1] as SpamdMethod;
  const version = Number(/^\s*[0-9]+(?:\.[0-9]*)?/.exec(found[3] ?? "")?.[0] ?? "0");
  const rspamd = found[2] === "R";
  const bare = method === "PING" || method === "SKIP";
  return {
    method,
    version,
    rspamd,
    hasHeaders: rspamd || method === "TELL" || (bare ? version >= 1.5 : version > 1),
    length: null,
    compressed: false,
    user: null,
    tell: {
      messageClass: "",
      setLocal: false,
      setRemote: false,
      removeLocal: false,
      removeRemote: false,
    },
    facts: new Map(),
  };
}

/** In spamd's words what is wrong with the line, or null. */
function takeHeader(head: Head, line: string): string | null {
  const colon = /:\s*/.exec(line);
  if (colon === null) return "(header not in 'Name: value' format)";
  const value = line.slice(colon.index + colon[0].length).replace(/\n$/, "");
  const name = line.slice(0, colon.index);
  if (head.rspamd) return takeFact(head, name.toLowerCase(), value);
  switch (name) {
    case "Content-length":
      return takeLength(head, value);
    case "User":
      if (!/^[\x20-\xff]*$/.test(value)) return "(User header contains control chars)";
      head.user = value;
      return null;
    case "Compress":
      if (!/zlib/i.test(value)) return `(compression type not supported: ${value})`;
      head.compressed = true;
      return null;
    case "Message-class":
      head.tell.messageClass = value;
      return null;
    case "Set":
      head.tell.setLocal = /local/i.test(value);
      head.tell.setRemote = /remote/i.test(value);
      return null;
    case "Remove":
      head.tell.removeLocal = /local/i.test(value);
      head.tell.removeRemote = /remote/i.test(value);
      return null;
    default:
      return null;
  }
}

function takeLength(head: Head, value: string): string | null {
  if (!/^\d*$/.test(value)) return "(Content-Length contains non-numeric bytes)";
  head.length = Number(value.slice(0, 15));
  return null;
}

/** rspamd knows its headers in any spelling. */
function takeFact(head: Head, name: string, value: string): string | null {
  if (name === "content-length") return takeLength(head, value);
  const values = head.facts.get(name);
  if (values === undefined) head.facts.set(name, [value]);
  else values.push(value);
  if (name === "user") head.user = value;
  return null;
}
