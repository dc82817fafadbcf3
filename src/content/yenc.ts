// yEnc files in text (the yEnc draft 1.3), also of several pieces that stand one after the other in one text. An encoding for
// text-files.ts.
import { gatherer, type Gatherer } from "./small-pieces.ts";
import type { OpenFile, TextEncoding, TextFileSink } from "./text-files.ts";

export const yEnc: TextEncoding = {
  mark: "=ybegin ",
  open(line, sink) {
    const head = parseHead(line);
    return head === null ? null : new YFile(head, sink);
  },
};

interface Head {
  readonly name: string;
  /** Number of this piece, 1 for a whole file. */
  readonly part: number;
  /** How many pieces there are; 0 when a piece does not tell. */
  readonly total: number;
}

function parseHead(line: string): Head | null {
  const match = /^=ybegin (.*?)\bname=(.*)$/s.exec(line);
  if (match === null || !/\bline=\d/.test(match[1]!)) return null;
  const number = (pattern: RegExp): number | null => {
    const digits = pattern.exec(match[1]!)?.[1];
    return digits === undefined ? null : Number(digits);
  };
  const part = number(/\bpart=(\d{1,9})/);
  const name = Buffer.from(match[2]!, "latin1").toString("utf8").trim();
  if (part === null) return { name, part: 1, total: 1 };
  return { name, part, total: number(/\btotal=(\d{1,9})/) ?? 0 };
}

class YFile implements OpenFile {
  #head: Head;
  readonly #sink: TextFileSink;
  readonly #out: Gatherer;
  readonly #fromStart: boolean;
  /** True when the first octet of the next line of data is escaped: a long line was cut behind "=". */
  #escaped = false;
  #midLine = false;
  #ended = false;

  constructor(head: Head, sink: TextFileSink) {
    this.#head = head;
    this.#sink = sink;
    this.#fromStart = head.part === 1;
    this.#out = gatherer((octets) => sink.data(octets));
    sink.begin(head.name);
  }

  take(line: Buffer, whole: boolean): "more" | "over" | "done" | "paused" {
    if (!this.#midLine && line[0] === 0x3d && line[1] === 0x79) {
      const word = line.toString("latin1", 0, 8);
      if (word.startsWith("=yend")) {
        this.#ended = true;
        return this.#head.part === this.#head.total ? "done" : "paused";
      }
      if (word === "=ybegin ") return "over";
      if (word.startsWith("=ypart")) return "more";
    }
    this.#decode(line);
    this.#midLine = !whole;
    if (whole) this.#escaped = false;
    return "more";
  }

  flush(): void {
    this.#out.flush();
  }

  resumes(line: string): boolean {
    const next = parseHead(line);
    if (next === null || next.name !== this.#head.name || next.part !== this.#head.part + 1)
      return false;
    this.#head = next;
    this.#ended = false;
    return true;
  }

  end(): void {
    this.#out.flush();
    const { part, total } = this.#head;
    const whole = this.#fromStart && part === total;
    this.#sink.end(whole ? (this.#ended ? null : "yenc-truncated") : "file-in-pieces");
  }

  #decode(line: Buffer): void {
    const { out, at } = this.#out.room(line.length);
    let length = at;
    let escaped = this.#escaped;
    for (const octet of line) {
      if (!escaped && octet === 0x3d) {
        escaped = true;
        continue;
      }
      out[length++] = escaped ? octet - 106 : octet - 42;
      escaped = false;
    }
    this.#escaped = escaped;
    this.#out.took(length - at);
  }
}
