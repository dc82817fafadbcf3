// Where the octets of a PDF stream start and end: by its length when the word endstream follows there, else by the next such word.
// Remembers the word found last, so that asking for all streams in order costs one pass. Used by pdf.ts.
import { indexIn } from "./cursor.ts";
import type { Octets } from "./octets.ts";
import { isSpace } from "./pdf-values.ts";

const END = Buffer.from("endstream");

export class StreamEnds {
  readonly #file: Octets;
  #from = 0;
  #found = -1;

  constructor(file: Octets) {
    this.#file = file;
  }

  /** `at`: behind the word stream; `length`: what the dictionary says, null for nothing. */
  of(at: number, length: number | null): { start: number; end: number } {
    const line = this.#file.read(at, 2);
    let start = at;
    if (line[0] === 0x0d) start += line[1] === 0x0a ? 2 : 1;
    else if (line[0] === 0x0a) start += 1;
    if (length !== null && this.#endsAt(start + length)) return { start, end: start + length };
    return { start, end: this.#withoutLineEnd(start, this.#next(start)) };
  }

  /** The line end before the word is no part of the stream. */
  #withoutLineEnd(start: number, end: number): number {
    const last = this.#file.read(end - 2, 2);
    if (end - 2 >= start && last[0] === 0x0d && last[1] === 0x0a) return end - 2;
    return end - 1 >= start && (last[1] === 0x0a || last[1] === 0x0d) ? end - 1 : end;
  }

  #endsAt(at: number): boolean {
    const after = this.#file.read(at, END.length + 4);
    let from = 0;
    while (from < 4 && isSpace(after[from] ?? -1)) from++;
    return after.subarray(from, from + END.length).equals(END);
  }

  /** The next endstream, the file's end when there is none. */
  #next(start: number): number {
    if (!(start >= this.#from && start <= this.#found)) {
      const found = indexIn(this.#file, END, start);
      this.#from = start;
      this.#found = found < 0 ? this.#file.size : found;
    }
    return this.#found;
  }
}
