// The window that LZMA writes into. Used by lzma.ts.

/** No window is larger, whatever dictionary is declared; what refers further back cannot be read. */
export const MAX_WINDOW = 64 * 1024 * 1024;
const FIRST_WINDOW = 32 * 1024;
/** Octets that are decoded between two pieces. */
const PIECE = 128 * 1024;

/** The octets decoded so far that a match can refer to, as a ring once the dictionary is full. */
export class Window {
  readonly #limit: number;
  octets: Uint8Array;
  at = 0;
  /** Octets since the dictionary was reset. */
  count = 0;
  #flushed = 0;

  constructor(dictionary: number) {
    this.#limit = Math.min(MAX_WINDOW, Math.max(4096, dictionary));
    this.octets = new Uint8Array(Math.min(FIRST_WINDOW, this.#limit));
  }

  /** How many octets fit until a piece has to be taken. */
  get room(): number {
    return Math.min(this.octets.length - this.at, PIECE - (this.at - this.#flushed));
  }

  /** What was written since the last call, as a copy; makes room. */
  take(): Buffer {
    const piece = Buffer.from(this.octets.subarray(this.#flushed, this.at));
    if (this.at === this.octets.length) {
      if (this.at < this.#limit) {
        const larger = new Uint8Array(Math.min(this.#limit, this.at * 2));
        larger.set(this.octets);
        this.octets = larger;
      } else this.at = 0;
    }
    this.#flushed = this.at;
    return piece;
  }

  /** True when an octet so far back is still there; 0 is the last one. */
  holds(distance: number): boolean {
    return distance < this.count && distance < this.#limit;
  }
}
