// Many short lists of numbers in two arrays: as objects of their own they would take ten times the memory. Used by automaton.ts and
// prefilter.ts.

export class Lists {
  /** List n is `values` from `from[n]` to `from[n + 1]`. */
  readonly from: Int32Array;
  readonly values: Int32Array;

  constructor(from: Int32Array, values: Int32Array) {
    this.from = from;
    this.values = values;
  }

  get length(): number {
    return this.from.length - 1;
  }

  /** Octets of memory. */
  get bytes(): number {
    return this.from.byteLength + this.values.byteLength;
  }

  /** A view, for as long as it is needed. */
  at(list: number): Int32Array {
    return this.values.subarray(this.from[list], this.from[list + 1]);
  }
}

export class ListsDraft {
  readonly #from = [0];
  readonly #values: number[] = [];

  /** One list more, with all of an earlier one behind it; returns its number. */
  add(own: Iterable<number>, earlier: number | null = null): number {
    for (const value of own) this.#values.push(value);
    if (earlier !== null) {
      const end = this.#from[earlier + 1]!;
      for (let at = this.#from[earlier]!; at < end; at++) this.#values.push(this.#values[at]!);
    }
    return this.#from.push(this.#values.length) - 2;
  }

  finish(): Lists {
    return new Lists(Int32Array.from(this.#from), Int32Array.from(this.#values));
  }
}
