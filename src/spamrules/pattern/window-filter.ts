// Looks for the windows (windows.ts) of many patterns at once: one bit per pattern, 32 of them in a word, and a table per place that
// says which patterns take an octet there. Used by prefilter.ts.
import type { SoughtWindow } from "./sought.ts";
import { WIDTH } from "./windows.ts";

/** The octet behind the end of the text. */
const END = 256;
const ROW = 257;

export class WindowFilter {
  readonly #words: number;
  /** By word, place and octet. */
  readonly #tables: Int32Array;
  /** What was found, one bit per window. */
  readonly found: Int32Array;

  constructor(windows: readonly SoughtWindow[]) {
    this.#words = Math.ceil(windows.length / 32);
    this.#tables = new Int32Array(this.#words * WIDTH * ROW);
    this.found = new Int32Array(this.#words);
    windows.forEach((window, number) => {
      const bit = 1 << (number & 31);
      window.forEach((set, place) => {
        const row = ((number >> 5) * WIDTH + place) * ROW;
        if (set === "")
          for (let octet = 0; octet <= END; octet++) this.#tables[row + octet]! |= bit;
        else for (const octet of set) this.#tables[row + octet.charCodeAt(0)]! |= bit;
      });
    });
  }

  get bytes(): number {
    return this.#tables.byteLength;
  }

  /** Sets the bits of the windows that are somewhere in the text. */
  scan(octets: Uint8Array, start: number, end: number): void {
    for (let word = 0; word < this.#words; word++) {
      this.found[word] = this.#scanWord(word * WIDTH * ROW, octets, start, end);
    }
  }

  #scanWord(table: number, octets: Uint8Array, start: number, end: number): number {
    const tables = this.#tables;
    const second = table + ROW;
    const third = second + ROW;
    const fourth = third + ROW;
    const fifth = fourth + ROW;
    const sixth = fifth + ROW;
    const whole = end - WIDTH + 1;
    let found = 0;
    let at = start;
    for (; at < whole; at++) {
      let bits = tables[table + octets[at]!]! & ~found & tables[second + octets[at + 1]!]!;
      if (bits === 0) continue;
      bits &= tables[third + octets[at + 2]!]! & tables[fourth + octets[at + 3]!]!;
      if (bits === 0) continue;
      found |= bits & tables[fifth + octets[at + 4]!]! & tables[sixth + octets[at + 5]!]!;
    }
    for (; at < end; at++) {
      let bits = -1;
      for (let place = 0; place < WIDTH; place++) {
        const octet = at + place < end ? octets[at + place]! : END;
        bits &= tables[table + place * ROW + octet]!;
      }
      found |= bits;
    }
    return found;
  }
}
