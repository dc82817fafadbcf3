// The octets that an RTF object is written in: hexadecimal digits behind \objdata up to the end of the group. Readers differ about the
// digits in groups within that group, so there are up to three readings. Decoded again at each reading from the start; nothing is
// kept. Used by rtf.ts.
import { Cursor } from "./cursor.ts";
import { HEX } from "./hex.ts";
import type { Octets } from "./octets.ts";
import { controlWord } from "./rtf-words.ts";

/** Which digits count: all; not those in groups that start with \*; only those in no group within. Each has a part of the former. */
const MODES = ["all", "known", "own"] as const;
type Mode = (typeof MODES)[number];

const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const PIECE = 16 * 1024;
const NONE = Buffer.alloc(0);

/** The readings of the object whose digits start at `start`, at least one, and where its group ends. */
export function objectDigits(file: Octets, start: number): { readings: Octets[]; end: number } {
  const readings: Octets[] = [];
  let end = start;
  let last = -1;
  for (const mode of MODES) {
    const decoder = new Digits(file, start, mode);
    const room = Buffer.allocUnsafe(PIECE);
    let size = 0;
    for (let got = decoder.fill(room); got > 0; got = decoder.fill(room)) size += got;
    end = decoder.at;
    if (size !== last) readings.push(octetsOfDigits(file, start, mode, size));
    last = size;
  }
  return { readings, end };
}

/** Reads forward cheaply, backward by starting again. */
function octetsOfDigits(file: Octets, start: number, mode: Mode, size: number): Octets {
  let decoder = new Digits(file, start, mode);
  let place = 0;
  return {
    size,
    read(at, length) {
      if (!(at >= 0 && at < size && length > 0)) return NONE;
      if (at < place) {
        decoder = new Digits(file, start, mode);
        place = 0;
      }
      const skipped = Buffer.allocUnsafe(PIECE);
      while (place < at) place += decoder.fill(skipped.subarray(0, Math.min(PIECE, at - place)));
      const found = Buffer.allocUnsafe(Math.min(length, size - at));
      place += decoder.fill(found);
      return found;
    },
  };
}

class Digits {
  readonly #cursor: Cursor;
  readonly #mode: Mode;
  #depth = 0;
  /** The depth of the group that is left out, 0 when none is. */
  #left = 0;
  /** The first digit of an octet, -1 before it. */
  #half = -1;
  /** Octets of \bin that are still to come. */
  #raw = 0;
  #over = false;

  constructor(file: Octets, start: number, mode: Mode) {
    this.#cursor = new Cursor(file, start);
    this.#mode = mode;
  }

  get at(): number {
    return this.#cursor.at;
  }

  /** Writes the next octets into `room`, fewer than fit only at the end. */
  fill(room: Buffer): number {
    const cursor = this.#cursor;
    let length = 0;
    while (length < room.length && !this.#over) {
      const octet = cursor.next();
      if (octet < 0) this.#over = true;
      else if (this.#raw > 0) {
        this.#raw--;
        if (this.#left === 0) room[length++] = octet;
      } else if (octet === BACKSLASH) this.#control();
      else if (octet === OPEN) this.#open();
      else if (octet === CLOSE) this.#close();
      else if (this.#left === 0) {
        const digit = HEX[octet]!;
        if (digit < 0) continue;
        if (this.#half < 0) this.#half = digit;
        else {
          room[length++] = (this.#half << 4) | digit;
          this.#half = -1;
        }
      }
    }
    return length;
  }

  #open(): void {
    this.#depth++;
    if (this.#left > 0 || this.#mode === "all") return;
    if (this.#mode === "own" || this.#ignorable()) this.#left = this.#depth;
  }

  /** True when the group starts with \*. */
  #ignorable(): boolean {
    const start = this.#cursor.at;
    let octet = this.#cursor.next();
    while (octet === 0x0a || octet === 0x0d) octet = this.#cursor.next();
    const found = octet === BACKSLASH && this.#cursor.next() === 0x2a;
    this.#cursor.seek(start);
    return found;
  }

  #close(): void {
    if (this.#depth === 0) this.#over = true;
    else if (this.#depth-- === this.#left) this.#left = 0;
  }

  #control(): void {
    const cursor = this.#cursor;
    if (cursor.peek() === 0x27) {
      // A character given as \'hh is no data, and a digit before it has lost its second one.
      cursor.seek(cursor.at + 3);
      this.#half = -1;
      return;
    }
    const { name, value } = controlWord(cursor);
    if (name !== "bin") return;
    this.#raw = Math.max(0, value);
    this.#half = -1;
  }
}
