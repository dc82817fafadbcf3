// Says which of many patterns may match a text, in one pass over it: those of whose clauses (literals.ts) each has a text in it, and
// those without clauses. One for each kind of text that rules read. Used by run.ts.
import { Automaton } from "./automaton.ts";
import { Lists, ListsDraft } from "./lists.ts";
import type { Clause } from "./literals.ts";
import type { Sought } from "./sought.ts";
import { WindowFilter } from "./window-filter.ts";

/** The bit of the window, beside those of the clauses. */
const WINDOW = 64;

export class Prefilter {
  readonly #automaton: Automaton | null;
  /** By list of the automaton: pattern * 8 + clause of each text in it. */
  readonly #marks: Lists;
  /** By pattern: all bits of its clauses. */
  readonly #full: Uint8Array;
  /** Patterns that any text may match. */
  readonly always: Int32Array;
  readonly #told: Int32Array;
  readonly #lists: Int32Array;
  readonly #marked: Int32Array;
  readonly #bits: Uint8Array;
  #epoch = 0;

  readonly #windows: WindowFilter | null;
  /** By window: its pattern. */
  readonly #windowOf: Int32Array;

  /** Patterns have their places in the list as their numbers. */
  constructor(known: readonly Sought[]) {
    this.#full = Uint8Array.from(known, allBits);
    const numbers = known.map((_, number) => number);
    this.always = Int32Array.from(numbers.filter((number) => this.#full[number] === 0));
    const { texts, meanings } = textsOf(known.map(({ clauses }) => clauses));
    this.#automaton = texts.length === 0 ? null : new Automaton(texts);
    this.#marks = marksOf(this.#automaton?.lists ?? null, meanings);
    this.#told = new Int32Array(this.#marks.length + 1);
    this.#lists = new Int32Array(this.#marks.length);
    this.#marked = new Int32Array(known.length);
    this.#bits = new Uint8Array(known.length);
    this.#windowOf = Int32Array.from(numbers.flatMap((at) => known[at]!.windows.map(() => at)));
    const windows = known.flatMap((one) => one.windows);
    this.#windows = windows.length === 0 ? null : new WindowFilter(windows);
  }

  /** States and octets of memory of the automaton. */
  get size(): { readonly states: number; readonly bytes: number } {
    const bytes = (this.#automaton?.size ?? 0) + this.#marks.bytes + (this.#windows?.bytes ?? 0);
    return { states: this.#automaton?.states ?? 0, bytes };
  }

  /**
   * Writes the numbers of the patterns that may match octets `start` to `end` into `into` from `from` on (room for all of them), without
   * those of `always`; returns the place behind them.
   */
  candidates(octets: Uint8Array, start: number, end: number, into: Int32Array, from = 0): number {
    const epoch = ++this.#epoch;
    let count = from;
    if (this.#windows !== null) {
      this.#windows.scan(octets, start, end);
      count = this.#markWindows(epoch, into, from);
    }
    if (this.#automaton === null) return count;
    const lists = this.#automaton.scan(octets, start, end, this.#told, epoch, this.#lists);
    const { from: starts, values: marks } = this.#marks;
    for (let at = 0; at < lists; at++) {
      const list = this.#lists[at]!;
      const last = starts[list + 1]!;
      for (let mark = starts[list]!; mark < last; mark++) {
        const pattern = marks[mark]! >> 3;
        const before = this.#marked[pattern] === epoch ? this.#bits[pattern]! : 0;
        const after = before | (1 << (marks[mark]! & 7));
        if (after === before) continue;
        this.#marked[pattern] = epoch;
        this.#bits[pattern] = after;
        if (after === this.#full[pattern]) into[count++] = pattern;
      }
    }
    return count;
  }

  /** Sets the bit of each window that was found; patterns that have nothing else are candidates at once. */
  #markWindows(epoch: number, into: Int32Array, from: number): number {
    let count = from;
    const { found } = this.#windows!;
    for (let word = 0; word < found.length; word++) {
      for (let bits = found[word]!; bits !== 0; bits &= bits - 1) {
        const pattern = this.#windowOf[word * 32 + 31 - Math.clz32(bits & -bits)]!;
        if (this.#marked[pattern] === epoch) continue;
        this.#marked[pattern] = epoch;
        this.#bits[pattern] = WINDOW;
        if (this.#full[pattern] === WINDOW) into[count++] = pattern;
      }
    }
    return count;
  }
}

function allBits({ clauses, windows }: Sought): number {
  return 2 ** clauses.length - 1 + (windows.length === 0 ? 0 : WINDOW);
}

/** All texts, each once, and the pattern and bit of each clause that it is in: pattern * 8 + clause. */
function textsOf(clauses: readonly (readonly Clause[])[]): {
  readonly texts: readonly string[];
  readonly meanings: readonly (readonly number[])[];
} {
  const meanings = new Map<string, number[]>();
  clauses.forEach((some, pattern) => {
    some.forEach((clause, number) => {
      for (const text of clause) {
        const known = meanings.get(text);
        if (known === undefined) meanings.set(text, [pattern * 8 + number]);
        else known.push(pattern * 8 + number);
      }
    });
  });
  return { texts: [...meanings.keys()], meanings: [...meanings.values()] };
}

function marksOf(lists: Lists | null, meanings: readonly (readonly number[])[]): Lists {
  const marks = new ListsDraft();
  for (let list = 0; list < (lists?.length ?? 0); list++) {
    marks.add(new Set(Array.from(lists!.at(list), (text) => meanings[text]!).flat()));
  }
  return marks.finish();
}
