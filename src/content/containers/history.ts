// What an unpacker wrote last: 64 KiB that matches refer to, and the piece that is being filled. Used by lzh.ts and arj.ts.
const WINDOW = 65_536;
const PIECE = 65_536;
/** Longer than any match. */
const SLACK = 1024;

export class History {
  /** Spaces, to begin with: lha's packer refers to them. */
  readonly #window = new Uint8Array(WINDOW).fill(0x20);
  #at = 0;
  #piece = Buffer.allocUnsafe(PIECE + SLACK);
  #filled = 0;

  /** True when it is time to take the piece. */
  get full(): boolean {
    return this.#filled >= PIECE;
  }

  add(octet: number): void {
    this.#window[this.#at] = octet;
    this.#at = (this.#at + 1) & (WINDOW - 1);
    this.#piece[this.#filled++] = octet;
  }

  /** Again what stands `distance` octets before the last one; `length` is at most 1,024. */
  repeat(distance: number, length: number): void {
    for (let left = length; left > 0; left--)
      this.add(this.#window[(this.#at - distance - 1) & (WINDOW - 1)]!);
  }

  /** What was written since the last call. */
  take(): Buffer {
    const piece = this.#piece.subarray(0, this.#filled);
    this.#piece = Buffer.allocUnsafe(PIECE + SLACK);
    this.#filled = 0;
    return piece;
  }
}
