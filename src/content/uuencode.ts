// Uuencoded files inside text (POSIX uuencode, with its base64 form), as mail programs show them: as attachments.
// Streaming: lines are cut from the chunks, at most one short line is kept. Called by tree.ts for the text parts.
import { decoder } from "../mail/transfer.ts";
import type { Decoder } from "../mail/transfer.ts";

export interface UuSink {
  /** A file starts; its name as written, UTF-8 if valid. Only called when a plausible first line follows. */
  begin(name: string): void;
  data(octets: Buffer): void;
  /** The file is over; false when its end line never came. */
  end(complete: boolean): void;
}

export interface UuFinder {
  write(octets: Buffer): void;
  end(): void;
}

/** No line of uuencoded data is longer; longer ones are not looked at. */
const MAX_LINE = 1_024;
const OUT_SIZE = 16 * 1024;
const BEGIN = Buffer.from("begin");
const LINE_BEGIN = Buffer.from("\nbegin");
const LF = 0x0a;
const EMPTY = Buffer.alloc(0);

/** A finder for the octets of one part. */
export function uuFinder(sink: UuSink): UuFinder {
  return new Finder(sink);
}

class Finder implements UuFinder {
  readonly #sink: UuSink;
  /** "found": a begin line stands, the next line decides whether it meant it. */
  #state: "outside" | "found" | "inside" = "outside";
  #name = "";
  /** Set for the base64 form. */
  #base64: Decoder | null = null;
  #rest: Buffer = EMPTY;
  #midLine = false;
  #out: Buffer = EMPTY;
  #length = 0;

  constructor(sink: UuSink) {
    this.#sink = sink;
  }

  write(octets: Buffer): void {
    this.#run(octets, false);
  }

  end(): void {
    this.#run(EMPTY, true);
    if (this.#state === "inside") this.#close(false);
  }

  #run(chunk: Buffer, final: boolean): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === "outside") {
        const begin = this.#findBegin(bytes, at, final);
        if (begin < 0) {
          at = ~begin;
          break;
        }
        at = begin;
      }
      const lf = bytes.subarray(at, at + MAX_LINE).indexOf(LF);
      if (lf < 0 && bytes.length - at < MAX_LINE && !final) break;
      const stop = lf < 0 ? Math.min(bytes.length, at + MAX_LINE) : at + lf;
      const used = this.#takeLine(bytes.subarray(at, stop), lf >= 0 || final);
      // A line that ended a file may itself begin the next one.
      if (used) at = Math.min(bytes.length, lf < 0 ? stop : stop + 1);
      this.#midLine = used && lf < 0;
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : EMPTY;
    this.#flush();
  }

  /** Start of the next line with "begin", or the complement of what is done with. */
  #findBegin(bytes: Buffer, at: number, final: boolean): number {
    if (!this.#midLine) {
      const head = bytes.subarray(at, at + BEGIN.length);
      if (head.equals(BEGIN)) return at;
      if (!final && BEGIN.subarray(0, head.length).equals(head)) return ~at;
    }
    const found = bytes.indexOf(LINE_BEGIN, at);
    if (found >= 0) {
      this.#midLine = false;
      return found + 1;
    }
    const lf = bytes.lastIndexOf(LF);
    const line = lf < at ? at : lf + 1;
    const tail = bytes.subarray(line);
    const hold =
      lf >= at && tail.length < BEGIN.length && BEGIN.subarray(0, tail.length).equals(tail);
    this.#midLine = !hold;
    return hold ? ~line : ~bytes.length;
  }

  /** Takes one line without its LF; `whole` is false when it is too long. False: look at this line again. */
  #takeLine(line: Buffer, whole: boolean): boolean {
    const trimmed = line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
    if (this.#state === "outside") {
      const match = whole
        ? /^begin(-base64)? +[0-7]{3,4} +(\S.*)$/s.exec(trimmed.toString("latin1"))
        : null;
      if (match !== null) {
        this.#state = "found";
        this.#name = Buffer.from(match[2]!, "latin1").toString("utf8").trimEnd();
        this.#base64 = match[1] === undefined ? null : decoder("base64");
      }
      return true;
    }
    const fits = whole && (this.#base64 === null ? isUuLine(trimmed) : isBase64Line(trimmed));
    if (this.#state === "found") {
      this.#state = fits ? "inside" : "outside";
      if (!fits) return false;
      this.#sink.begin(this.#name);
    }
    if (this.#isEnd(trimmed)) {
      this.#close(true);
      return true;
    }
    if (!fits) {
      this.#close(false);
      return false;
    }
    if (this.#base64 === null) this.#decodeLine(trimmed);
    else this.#collect(this.#base64.write(trimmed));
    return true;
  }

  #isEnd(line: Buffer): boolean {
    if (this.#base64 !== null) return line.toString("latin1").trimEnd() === "====";
    return line.length <= 8 && line.toString("latin1").trimEnd() === "end";
  }

  #close(complete: boolean): void {
    this.#flush();
    this.#sink.end(complete);
    this.#state = "outside";
    this.#midLine = false;
  }

  #decodeLine(line: Buffer): void {
    const count = (line[0]! - 32) & 63;
    this.#makeRoom(count + 3);
    const out = this.#out;
    let length = this.#length;
    // Spaces at the end of a line may have been lost on the way: they are zeros.
    const six = (i: number): number => ((line[i] ?? 32) - 32) & 63;
    for (let i = 1, left = count; left > 0; i += 4, left -= 3) {
      const bits = (six(i) << 18) | (six(i + 1) << 12) | (six(i + 2) << 6) | six(i + 3);
      out[length++] = bits >> 16;
      if (left > 1) out[length++] = bits >> 8;
      if (left > 2) out[length++] = bits;
    }
    this.#length = length;
  }

  /** Takes what a short line gave: handed on one by one, a MiB of them would cost hundreds of milliseconds. */
  #collect(octets: Buffer): void {
    this.#makeRoom(octets.length);
    this.#out.set(octets, this.#length);
    this.#length += octets.length;
  }

  #makeRoom(count: number): void {
    if (this.#out.length - this.#length >= count) return;
    this.#flush();
    this.#out = Buffer.allocUnsafe(OUT_SIZE);
  }

  #flush(): void {
    if (this.#length > 0) this.#sink.data(this.#out.subarray(0, this.#length));
    this.#out = this.#out.subarray(this.#length);
    this.#length = 0;
  }
}

function isUuLine(line: Buffer): boolean {
  if (line.length === 3 && line.toString("latin1") === "end") return true;
  if (line.length === 0) return false;
  for (const octet of line) if (octet < 0x20 || octet > 0x60) return false;
  const count = (line[0]! - 32) & 63;
  const needed = Math.ceil(count / 3) * 4;
  // Some encoders add a check character; some carriers strip spaces.
  return line.length - 1 <= needed + 2 && line.length - 1 >= Math.floor(needed / 2);
}

function isBase64Line(line: Buffer): boolean {
  return line.length > 0 && /^[A-Za-z0-9+/]*={0,4}\s*$/.test(line.toString("latin1"));
}
