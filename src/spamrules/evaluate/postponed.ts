// Rules that may hit and that only metas ask for: kept with the texts that they would meet until a meta cannot be answered without them,
// which is seldom. A prefilter says what may hit; most of that is asked for by nobody. Used by reader.ts and run.ts.
import type { Alphabet } from "../pattern/narrow.ts";

/** A text that rules meet. */
export interface MetText {
  /** null: the fields of the parts, for `mimeheader`. */
  readonly text: string | null;
  readonly alphabet: Alphabet;
  /** For explanations: what it is, and which of them; -1: there is only one. */
  readonly name: string;
  readonly at: number;
}

/** Meetings that are kept at once: more would be a memory without bound, for a message of 100,000 links say. */
const MOST = 20_000;

export class Postponed {
  /** By place of a rule: 1 when it waits. Metas wait, too. */
  readonly pending: Uint8Array;
  /** By place of a rule: 1 + the number of its latest meeting. */
  readonly #latest: Int32Array;
  /** By number: the text, and 1 + the number of the rule's meeting before. */
  readonly #texts: MetText[] = [];
  readonly #before: number[] = [];

  constructor(rules: number) {
    this.pending = new Uint8Array(rules);
    this.#latest = new Int32Array(rules);
  }

  /** Whether no more can be added: rules run at once then. */
  get isFull(): boolean {
    return this.#texts.length >= MOST;
  }

  add(place: number, text: MetText): void {
    this.pending[place] = 1;
    this.#before.push(this.#latest[place]!);
    this.#latest[place] = this.#texts.push(text);
  }

  /** What the rule would have met, in order; it waits no more. */
  take(place: number): readonly MetText[] {
    const texts: MetText[] = [];
    for (let next = this.#latest[place]!; next !== 0; next = this.#before[next - 1]!)
      texts.push(this.#texts[next - 1]!);
    this.pending[place] = 0;
    this.#latest[place] = 0;
    return texts.reverse();
  }
}
