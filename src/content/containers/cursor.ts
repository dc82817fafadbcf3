// Reads the octets of a file one after the other through a small window, and finds marks in them: for the text-like formats (RTF,
// PDF, HTML), whose files need not fit in memory. Used by the formats beside it.
import type { Octets } from "./octets.ts";

const WINDOW = 64 * 1024;
const NONE = Buffer.alloc(0);

/** A place in a file that moves forward; `seek` sets it anywhere. */
export class Cursor {
  readonly #file: Octets;
  readonly #end: number;
  #window: Buffer = NONE;
  #base: number;
  #offset = 0;

  /** Reads from `at` up to `end` (exclusive), which may lie beyond the file. */
  constructor(file: Octets, at: number = 0, end: number = file.size) {
    this.#file = file;
    this.#base = at;
    this.#end = Math.min(end, file.size);
  }

  get at(): number {
    return this.#base + this.#offset;
  }

  /** The octet here, -1 at the end; does not move. */
  peek(): number {
    if (this.#offset < this.#window.length) return this.#window[this.#offset]!;
    return this.#fill() ? this.#window[0]! : -1;
  }

  /** The octet here, -1 at the end; moves behind it. */
  next(): number {
    if (this.#offset < this.#window.length) return this.#window[this.#offset++]!;
    if (!this.#fill()) return -1;
    this.#offset = 1;
    return this.#window[0]!;
  }

  seek(at: number): void {
    const offset = at - this.#base;
    if (offset >= 0 && offset <= this.#window.length) {
      this.#offset = offset;
      return;
    }
    this.#base = at;
    this.#offset = 0;
    this.#window = NONE;
  }

  #fill(): boolean {
    const at = this.at;
    this.#base = at;
    this.#offset = 0;
    this.#window = this.#file.read(at, Math.min(WINDOW, this.#end - at));
    return this.#window.length > 0;
  }
}

/** Where `mark` (not empty) starts first at or behind `from` and wholly before `end`; -1 when nowhere. Linear. */
export function indexIn(
  file: Octets,
  mark: Buffer,
  from: number = 0,
  end: number = file.size,
): number {
  const stop = Math.min(end, file.size);
  for (let at = from; at + mark.length <= stop; at += WINDOW) {
    const window = file.read(at, Math.min(WINDOW + mark.length - 1, stop - at));
    const found = window.indexOf(mark);
    if (found >= 0) return at + found;
  }
  return -1;
}
