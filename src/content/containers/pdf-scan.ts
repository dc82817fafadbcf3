// Where the objects of a PDF file start: every "12 0 obj" and every "trailer" in it, whatever its tables say. So all revisions are seen,
// and what only a damaged table hides from one reader or another. Used by pdf.ts.
import type { Octets } from "./octets.ts";

export interface Place {
  /** The object's number, -1 for a trailer. */
  readonly number: number;
  readonly generation: number;
  /** Behind the word. */
  readonly at: number;
}

const WINDOW = 64 * 1024;
/** Octets before "obj" in which its two numbers stand. */
const BEFORE = 48;
const WORDS = /(?:obj|trailer)/g;
const NUMBERS = /(\d{1,10})[\0\t\n\f\r ]+(\d{1,5})[\0\t\n\f\r ]*$/;

/** In the order of the file; linear. */
export function* objectPlaces(file: Octets): Generator<Place> {
  for (let base = 0; base < file.size; base += WINDOW) {
    const start = Math.max(0, base - BEFORE);
    const text = file.read(start, base - start + WINDOW + 8).toString("latin1");
    WORDS.lastIndex = base - start;
    for (let found = WORDS.exec(text); found !== null; found = WORDS.exec(text)) {
      if (start + found.index >= base + WINDOW) break;
      const at = start + found.index + found[0].length;
      if (found[0] === "trailer") {
        yield { number: -1, generation: 0, at };
        continue;
      }
      const numbers = NUMBERS.exec(text.slice(Math.max(0, found.index - BEFORE), found.index));
      if (numbers !== null)
        yield { number: Number(numbers[1]), generation: Number(numbers[2]), at };
    }
  }
}
