// Files that stand encoded in the lines of a text (uuencode, xxencode, yEnc, BinHex), as mail programs show them: as attachments.
// Streaming: lines are cut from the chunks, at most one short line is kept. Called by tree-walk.ts and readings.ts for the text
// parts; what the lines mean is said by one file per encoding.
import type { DefectKind } from "../mail/defects.ts";
import { binHex } from "./binhex.ts";
import { uuencoded } from "./uuencode.ts";
import { yEnc } from "./yenc.ts";

export interface TextFileSink {
  /** A file starts; its name as written, UTF-8 if valid. Only called when plausible data follow. */
  begin(name: string): void;
  /** Its decoded octets; what was given stays as it is. */
  data(octets: Buffer): void;
  /** The file is over; what is wrong with it, or null. */
  end(fault: DefectKind | null): void;
}

export interface TextFileFinder {
  write(octets: Buffer): void;
  end(): void;
}

/** A file of one encoding that is being read. */
export interface OpenFile {
  /**
   * Takes the next line without its line end; `whole` is false for a piece of one that is too long. "over": the line is none of
   * its own and is looked at again; "done": it was the last one; "paused": it was the last one of a piece.
   */
  take(line: Buffer, whole: boolean): "more" | "over" | "done" | "paused";
  /** Hands on what it holds back. */
  flush(): void;
  /** No more comes for it: it tells the sink, if it began. */
  end(): void;
  /** True when this line goes on with a file that paused. */
  resumes?(line: string): boolean;
}

/** An encoding: how the line starts that opens a file, and the file that such a line opens (Latin-1), or null. */
export interface TextEncoding {
  readonly mark: string;
  open(line: string, sink: TextFileSink): OpenFile | null;
}

const ENCODINGS: readonly TextEncoding[] = [uuencoded, yEnc, binHex];

/** No line of encoded data is longer; longer ones come in pieces. */
const MAX_LINE = 1_024;
const MARKS = ENCODINGS.map(({ mark }) => Buffer.from(mark));
const LINE_MARKS = ENCODINGS.map(({ mark }) => Buffer.from(`\n${mark}`));
const LF = 0x0a;
const CR = 0x0d;
/** Lines shorter than this are measured octet by octet: a MiB may hold a million. */
const SHORT_LINE = 24;
const EMPTY = Buffer.alloc(0);

/** A finder for the octets of one part. */
export function textFileFinder(sink: TextFileSink): TextFileFinder {
  return new Finder(sink);
}

class Finder implements TextFileFinder {
  readonly #sink: TextFileSink;
  #file: OpenFile | null = null;
  /** A file that waits for its next piece. */
  #paused: OpenFile | null = null;
  #rest: Buffer = EMPTY;
  #midLine = false;
  /** Where each mark stands next in the octets at hand (-1: nowhere), so that each octet is searched once. */
  #marks: number[] = MARKS.map(() => 0);

  constructor(sink: TextFileSink) {
    this.#sink = sink;
  }

  write(octets: Buffer): void {
    this.#run(octets, false);
  }

  end(): void {
    this.#run(EMPTY, true);
    this.#file?.end();
    this.#paused?.end();
  }

  #run(chunk: Buffer, final: boolean): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#marks.fill(-2);
    let at = 0;
    while (at < bytes.length) {
      if (this.#file === null) {
        const begin = this.#findMark(bytes, at, final);
        if (begin < 0) {
          at = ~begin;
          break;
        }
        at = begin;
      }
      const lf = lineEnd(bytes, at);
      if (lf < 0 && bytes.length - at < MAX_LINE && !final) break;
      const stop = lf < 0 ? Math.min(bytes.length, at + MAX_LINE) : lf;
      const end = stop > at && bytes[stop - 1] === CR ? stop - 1 : stop;
      const used = this.#takeLine(bytes.subarray(at, end), lf >= 0 || final);
      // A line that ended a file may itself begin the next one.
      if (used) at = Math.min(bytes.length, lf < 0 ? stop : stop + 1);
      this.#midLine = used && lf < 0;
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : EMPTY;
    this.#file?.flush();
  }

  /** Start of the next line with a mark, or the complement of what is done with. */
  #findMark(bytes: Buffer, at: number, final: boolean): number {
    if (!this.#midLine) {
      const head = bytes.subarray(at, at + 64);
      if (MARKS.some((mark) => startsWith(head, mark))) return at;
      if (!final && MARKS.some((mark) => startsWith(mark, head))) return ~at;
    }
    let first = -1;
    for (const [i, mark] of LINE_MARKS.entries()) {
      let found = this.#marks[i]!;
      if (found !== -1 && found < at) found = this.#marks[i] = bytes.indexOf(mark, at);
      if (found >= 0 && (first < 0 || found < first)) first = found;
    }
    if (first >= 0) {
      this.#midLine = false;
      return first + 1;
    }
    const lf = bytes.lastIndexOf(LF);
    const line = lf < at ? at : lf + 1;
    const tail = bytes.subarray(line);
    const hold = lf >= at && MARKS.some((mark) => startsWith(mark, tail));
    this.#midLine = !hold;
    return hold ? ~line : ~bytes.length;
  }

  /** Takes one line without its line end; `whole` is false when it is too long. False: look at this line again. */
  #takeLine(line: Buffer, whole: boolean): boolean {
    if (this.#file === null) {
      if (whole) this.#open(line.toString("latin1"));
      return true;
    }
    const said = this.#file.take(line, whole);
    if (said === "more") return true;
    if (said === "paused") this.#paused = this.#file;
    else this.#file.end();
    this.#file = null;
    this.#midLine = false;
    return said !== "over";
  }

  #open(line: string): void {
    if (this.#paused?.resumes?.(line) === true) {
      this.#file = this.#paused;
      this.#paused = null;
      return;
    }
    for (const one of ENCODINGS) {
      const file = line.startsWith(one.mark) ? one.open(line, this.#gate) : null;
      if (file === null) continue;
      this.#file = file;
      return;
    }
  }

  /** The sink for one file after the other: what waits for another piece ends when something else begins. */
  readonly #gate: TextFileSink = {
    begin: (name) => {
      const waiting = this.#paused;
      this.#paused = null;
      waiting?.end();
      this.#sink.begin(name);
    },
    data: (octets) => this.#sink.data(octets),
    end: (fault) => this.#sink.end(fault),
  };
}

function startsWith(bytes: Buffer, head: Buffer): boolean {
  return bytes.length >= head.length && bytes.compare(head, 0, head.length, 0, head.length) === 0;
}

/** Index of the LF that ends the line at `at`, or -1 when it is longer than MAX_LINE or not there yet. */
function lineEnd(bytes: Buffer, at: number): number {
  const near = Math.min(bytes.length, at + SHORT_LINE);
  for (let i = at; i < near; i++) if (bytes[i] === LF) return i;
  if (near === bytes.length) return -1;
  const found = bytes.subarray(near, at + MAX_LINE).indexOf(LF);
  return found < 0 ? -1 : near + found;
}
