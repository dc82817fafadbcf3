// Bits out of octets, the lowest first, as Deflate packs them. Used by inflate.ts, whose inner loop keeps the fields in locals.
import { Broken } from "./format.ts";
import type { Octets } from "./octets.ts";

const INPUT = 65_536;

export class BitSource {
  readonly #from: Octets;
  #next: number;
  /** Zero octets that were taken beyond the end. */
  #beyond = 0;
  /** Octets that were read, how many of them were taken, and the bits of those that are still to come: at most 30. */
  input: Buffer = Buffer.alloc(0);
  taken = 0;
  held = 0;
  bits = 0;

  constructor(from: Octets, at: number) {
    this.#from = from;
    this.#next = at;
  }

  /** The first octet no bit of which was used. */
  get position(): number {
    return this.#next - (this.input.length - this.taken) + this.#beyond - (this.bits >> 3);
  }

  /** True when bits were used that are not there. */
  get isBeyond(): boolean {
    return this.#beyond > 0 && this.position > this.#from.size;
  }

  /** The next bits as a number, at most 16. */
  take(count: number): number {
    this.need(count);
    const value = this.held & ((1 << count) - 1);
    this.drop(count);
    return value;
  }

  /** Holds so many bits, at most 16; a few zeros behind the end, so that the last code can be looked up. */
  need(count: number): void {
    while (this.bits < count) {
      if (this.taken >= this.input.length) this.refill();
      const octet = this.taken < this.input.length ? this.input[this.taken++]! : 0;
      this.held |= octet << this.bits;
      this.bits += 8;
    }
  }

  drop(count: number): void {
    this.held >>>= count;
    this.bits -= count;
  }

  /** Reads more octets when all were taken. Throws Broken when there are none for too long. */
  refill(): void {
    const more = this.#from.read(this.#next, INPUT);
    if (more.length > 0) {
      this.input = more;
      this.taken = 0;
      this.#next += more.length;
    } else if (++this.#beyond > 8) throw new Broken("deflate: cut off");
  }
}
