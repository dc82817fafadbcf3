// Numbers and bits as the directory of a 7z file has them. Used by sevenzip-header.ts and sevenzip-streams.ts.
import { Broken } from "./format.ts";

/** Ids of properties (7zFormat.txt). */
export const ID = {
  end: 0x00,
  header: 0x01,
  archiveProperties: 0x02,
  additionalStreams: 0x03,
  mainStreams: 0x04,
  files: 0x05,
  pack: 0x06,
  unpack: 0x07,
  subStreams: 0x08,
  sizes: 0x09,
  crcs: 0x0a,
  folders: 0x0b,
  unpackSizes: 0x0c,
  counts: 0x0d,
  emptyStreams: 0x0e,
  emptyFiles: 0x0f,
  names: 0x11,
  encodedHeader: 0x17,
} as const;

/** A bit for each thing, the highest of an octet first; none behind the end. */
export const bitsIn =
  (octets: Buffer) =>
  (index: number): boolean =>
    ((octets[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;

/** Reads a header from its start; throws Broken at its end. */
export class Fields {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  octet(): number {
    const octet = this.#octets[this.#at++];
    if (octet === undefined) throw new Broken("7z: directory ends early");
    return octet;
  }

  take(length: number): Buffer {
    if (length > this.#octets.length - this.#at) throw new Broken("7z: directory ends early");
    this.#at += length;
    return this.#octets.subarray(this.#at - length, this.#at);
  }

  rest(): Buffer {
    return this.#octets.subarray(this.#at);
  }

  /** A number of one to nine octets: the ones at the start of the first tell how many follow. */
  number(): number {
    const first = this.octet();
    let value = 0;
    for (let i = 0; i < 8; i++) {
      const mask = 0x80 >> i;
      if ((first & mask) === 0) return value + (first & (mask - 1)) * 256 ** i;
      value += this.octet() * 256 ** i;
    }
    return value;
  }

  /** A number of things of which each takes an octet at least. */
  count(): number {
    const count = this.number();
    if (count > this.#octets.length - this.#at) throw new Broken("7z: directory ends early");
    return count;
  }

  /** Skips the check sums of so many things; returns which of them have one. */
  digests(count: number): (index: number) => boolean {
    if (this.octet() !== 0) {
      this.take(count * 4);
      return () => true;
    }
    const defined = bitsIn(this.take(Math.ceil(count / 8)));
    let sums = 0;
    for (let i = 0; i < count; i++) if (defined(i)) sums++;
    this.take(sums * 4);
    return defined;
  }
}
