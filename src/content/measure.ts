// Measuring octets that come piece by piece: how many, their hash, what they are, the marks in them. Used for each part of a
// message (tree-walk.ts) and each member of a container (expand.ts).
import { createHash, hash } from "node:crypto";
import type { Hash } from "node:crypto";
import { ISO_OFFSET, kindsOf, MAGIC_LENGTH } from "./magic.ts";
import { markFinder } from "./self-test.ts";
import type { Mark } from "./self-test.ts";

const EMPTY = Buffer.alloc(0);

export class Measure {
  size = 0;
  readonly #marks = markFinder();
  /** The first octets that came, until a second chunk makes a streaming hash worth its cost. */
  #first: Buffer | null = null;
  #hash: Hash | null = null;
  #start: Buffer = EMPTY;
  /** Whether #start is a view of the first octets. */
  #lent = false;
  #isoMark: Buffer | null = null;

  /** Takes the next octets. Those of the first call must stay until own(), or for ever. */
  write(octets: Buffer): void {
    if (this.size === 0) this.#first = octets;
    else this.#hashed().update(octets);
    const missing = MAGIC_LENGTH - this.#start.length;
    if (missing > 0) {
      this.#lent = this.size === 0;
      const more = octets.subarray(0, missing);
      this.#start = this.size === 0 ? more : Buffer.concat([this.#start, more]);
    }
    const before = this.size;
    this.size += octets.length;
    if (this.size > ISO_OFFSET && before < ISO_OFFSET + 5) {
      const mark = octets.subarray(Math.max(0, ISO_OFFSET - before), ISO_OFFSET + 5 - before);
      this.#isoMark = Buffer.concat([this.#isoMark ?? EMPTY, mark]);
    }
    this.#marks.write(octets);
  }

  /** Looks for marks only: octets that are not the content. */
  look(octets: Buffer): void {
    this.#marks.write(octets);
  }

  /** Makes it independent of the octets that were written. */
  own(): void {
    if (this.#first !== null) this.#hashed();
    if (this.#lent) this.#start = Buffer.from(this.#start);
    this.#lent = false;
  }

  /** The first octets, at most MAGIC_LENGTH. */
  get start(): Buffer {
    return this.#start;
  }

  /** The short types of the octets so far; right once 33 KiB or all have come. */
  get kinds(): string[] {
    return kindsOf(this.#start, this.#isoMark);
  }

  get marks(): readonly Mark[] {
    return this.#marks.marks;
  }

  /** Lower-case hex, to be asked for once, when all octets have come. */
  sha256(): string {
    return this.#hash?.digest("hex") ?? hash("sha256", this.#first ?? EMPTY, "hex");
  }

  /** Hashes the first octets, of which more than a view was never kept. */
  #hashed(): Hash {
    if (this.#hash === null) {
      this.#hash = createHash("sha256").update(this.#first!);
      this.#first = null;
    }
    return this.#hash;
  }
}
