// Says which of many patterns may match a text, in one pass over it: those of whose clauses (literals.ts) each has a text in it, and
// those without clauses. One for each kind of text that rules read. Used by run.ts.
import { Automaton } from "./automaton.ts";
import { type Clause, clausesOf } from "./literals.ts";
import type { Node } from "./syntax.ts";

/** Fewer patterns than these are all run. */
const WORTH_IT = 3;

export class Prefilter {
  readonly #automaton: Automaton | null;
  /** By list of the automaton: patterns and the bit of the clause. */
  readonly #marks: readonly { readonly patterns: Int32Array; readonly bits: Uint8Array }[];
  /** By pattern: all bits of its clauses. */
  readonly #full: Uint8Array;
  /** Patterns that any text may match. */
  readonly always: Int32Array;
  readonly #told: Int32Array;
  readonly #lists: Int32Array;
  readonly #marked: Int32Array;
  readonly #bits: Uint8Array;
  #epoch = 0;

  /** Patterns keep their places in the list as their numbers; null: run it always. */
  constructor(patterns: readonly (Node | null)[]) {
    const clauses = patterns.map((root) => (root === null ? [] : clausesOf(root)));
    const worthIt = clauses.filter((some) => some.length > 0).length >= WORTH_IT;
    this.#full = Uint8Array.from(clauses, (some) => (worthIt ? 2 ** some.length - 1 : 0));
    this.always = Int32Array.from(
      patterns.map((_, number) => number).filter((number) => this.#full[number] === 0),
    );
    const { texts, meanings } = textsOf(worthIt ? clauses : []);
    this.#automaton = texts.length === 0 ? null : new Automaton(texts);
    this.#marks = (this.#automaton?.lists ?? []).map((list) => marksOf(list, meanings));
    this.#told = new Int32Array(this.#marks.length + 1);
    this.#lists = new Int32Array(this.#marks.length);
    this.#marked = new Int32Array(patterns.length);
    this.#bits = new Uint8Array(patterns.length);
  }

  /** States and octets of memory of the automaton. */
  get size(): { readonly states: number; readonly bytes: number } {
    return { states: this.#automaton?.states ?? 0, bytes: this.#automaton?.size ?? 0 };
  }

  /**
   * Writes the numbers of the patterns that may match octets `start` to `end` into `into` (room for all of them), without those of
   * `always`; returns how many.
   */
  candidates(octets: Uint8Array, start: number, end: number, into: Int32Array): number {
    if (this.#automaton === null) return 0;
    const epoch = ++this.#epoch;
    const lists = this.#automaton.scan(octets, start, end, this.#told, epoch, this.#lists);
    let count = 0;
    for (let at = 0; at < lists; at++) {
      const { patterns, bits } = this.#marks[this.#lists[at]!]!;
      for (let mark = 0; mark < patterns.length; mark++) {
        const pattern = patterns[mark]!;
        const before = this.#marked[pattern] === epoch ? this.#bits[pattern]! : 0;
        const after = before | bits[mark]!;
        if (after === before) continue;
        this.#marked[pattern] = epoch;
        this.#bits[pattern] = after;
        if (after === this.#full[pattern]) into[count++] = pattern;
      }
    }
    return count;
  }
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

function marksOf(
  list: Int32Array,
  meanings: readonly (readonly number[])[],
): { readonly patterns: Int32Array; readonly bits: Uint8Array } {
  const bits = new Map<number, number>();
  for (const text of list) {
    for (const meaning of meanings[text]!) {
      const pattern = meaning >> 3;
      bits.set(pattern, (bits.get(pattern) ?? 0) | (1 << (meaning & 7)));
    }
  }
  return { patterns: Int32Array.from(bits.keys()), bits: Uint8Array.from(bits.values()) };
}
