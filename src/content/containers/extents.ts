// Which octets of a container belong to something that is accounted for: to see members that share octets, and to search what is
// left over for hidden ones. Used by zip.ts.

/** From the first octet to the one behind the last. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

export class Extents {
  /** Sorted by start. */
  readonly #all: Extent[] = [];
  /** The highest end up to each index; nothing in front of it can reach further. */
  readonly #reach: number[] = [];

  /** Adds one; empty ones count for nothing. */
  add(start: number, end: number): void {
    if (!(end > start)) return;
    let at = this.#all.length;
    while (at > 0 && this.#all[at - 1]!.start > start) at--;
    this.#all.splice(at, 0, { start, end });
    this.#reach.splice(at, 0, 0);
    for (let i = at; i < this.#all.length; i++)
      this.#reach[i] = Math.max(this.#all[i]!.end, this.#reach[i - 1] ?? 0);
  }

  /** Whether any of them shares octets with this one. */
  touches(start: number, end: number): boolean {
    let low = 0;
    let high = this.#all.length;
    // The first that starts at `end` or later; those before it start early enough.
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#all[middle]!.start < end) low = middle + 1;
      else high = middle;
    }
    return low > 0 && end > start && this.#reach[low - 1]! > start;
  }

  /** What none of them covers between 0 and `size`, in order. */
  *gaps(size: number): Generator<Extent> {
    let at = 0;
    for (const { start, end } of this.#all) {
      if (start > at) yield { start: at, end: Math.min(start, size) };
      at = Math.max(at, end);
      if (at >= size) return;
    }
    if (at < size) yield { start: at, end: size };
  }
}
