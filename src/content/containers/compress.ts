// compress(1), .Z: LZW codes of 9 to 16 bits. Unpacked in pieces.
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import type { Octets } from "./octets.ts";

const HEADER = 3;
const CLEAR = 256;
const PIECE = 128 * 1024;
const MAX_STRING = 65_536;

export const compress: Format = {
  name: "compress",
  kinds: ["Z"],
  suffixes: { z: "", taz: "tar" },
  *members(file) {
    yield { names: [], what: "file", octets: () => compressOctets(file) };
  },
};

/** The octets of a .Z file. Throws Broken at the damage. */
function* compressOctets(file: Octets): Generator<Buffer> {
  const flags = file.read(0, HEADER)[2];
  if (flags === undefined) throw new Broken("compress: no header");
  const most = flags & 0x1f;
  if (most < 9 || most > 16) throw new Broken("compress: bad code size", "container-unsupported");
  const table = new Table(most, (flags & 0x80) !== 0);
  const codes = new Codes(new Cursor(file, HEADER));
  let out = Buffer.allocUnsafe(PIECE + MAX_STRING);
  let filled = 0;
  for (;;) {
    const code = codes.next(table.bits);
    if (code < 0) break;
    if (table.isClear(code)) {
      codes.align(table.bits);
      table.clear();
      continue;
    }
    const before = table.bits;
    const length = table.write(code, out, filled);
    if (length === 0) {
      if (filled > 0) yield out.subarray(0, filled);
      throw new Broken("compress: bad code");
    }
    filled += length;
    if (table.bits !== before) codes.align(before);
    if (filled < PIECE) continue;
    yield out.subarray(0, filled);
    out = Buffer.allocUnsafe(PIECE + MAX_STRING);
    filled = 0;
  }
  if (filled > 0) yield out.subarray(0, filled);
}

/** Strings by code: each is another one and an octet. */
class Table {
  readonly #prefix = new Uint16Array(65_536);
  readonly #last = new Uint8Array(65_536);
  readonly #length = new Uint32Array(65_536);
  readonly #most: number;
  readonly #first: number;
  #next: number;
  #previous = -1;
  bits = 9;

  constructor(most: number, blocks: boolean) {
    this.#most = most;
    this.#first = blocks ? CLEAR + 1 : CLEAR;
    this.#next = this.#first;
    for (let i = 0; i < 256; i++) {
      this.#last[i] = i;
      this.#length[i] = 1;
    }
  }

  isClear(code: number): boolean {
    return code === CLEAR && this.#first > CLEAR;
  }

  clear(): void {
    this.#next = this.#first;
    this.#previous = -1;
    this.bits = 9;
  }

  /** Writes the string of this code, learns a new one, and returns its length; 0 for a code that cannot be. */
  write(code: number, out: Buffer, at: number): number {
    const known = code < 256 || (code >= this.#first && code < this.#next);
    const fresh = code === this.#next && this.#previous >= 0;
    if (!known && !fresh) return 0;
    const source = known ? code : this.#previous;
    const length = this.#length[source]!;
    let place = at + length;
    for (let string = source; place > at; string = this.#prefix[string]!)
      out[--place] = this.#last[string]!;
    const first = out[at]!;
    if (!known) out[at + length] = first;
    if (this.#previous >= 0) this.#learn(first);
    this.#previous = code;
    return known ? length : length + 1;
  }

  #learn(octet: number): void {
    if (this.#next >= 1 << this.#most) return;
    this.#prefix[this.#next] = this.#previous;
    this.#last[this.#next] = octet;
    this.#length[this.#next] = this.#length[this.#previous]! + 1;
    this.#next++;
    if (this.#next === 1 << this.bits && this.bits < this.#most) this.bits++;
  }
}

/** Codes in groups of eight of one size; a change of the size begins a new group. */
class Codes {
  readonly #in: Cursor;
  #held = 0;
  #count = 0;
  #taken = 0;

  constructor(input: Cursor) {
    this.#in = input;
  }

  /** -1 at the end. */
  next(bits: number): number {
    while (this.#count < bits) {
      const octet = this.#in.next();
      if (octet < 0) return -1;
      this.#held |= octet << this.#count;
      this.#count += 8;
    }
    const code = this.#held & ((1 << bits) - 1);
    this.#held >>>= bits;
    this.#count -= bits;
    this.#taken++;
    return code;
  }

  /** Skips the rest of a group of codes of this size. */
  align(bits: number): void {
    while (this.#taken % 8 !== 0) if (this.next(bits) < 0) return;
    this.#taken = 0;
  }
}
