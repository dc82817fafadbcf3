// Lists the members of a RAR file of version 5 from its blocks. Used by rar.ts.
import { Broken } from "./format.ts";
import type { RarEvent } from "./rar.ts";
import { namesFrom } from "./raw-names.ts";
import type { Octets } from "./octets.ts";

const MARK = 8;
/** The check sum, and a size of up to three octets. */
const HEAD = 7;
const MAX_HEADER = 2 * 1024 * 1024;
const MAIN = 1;
const FILE = 2;
const ENCRYPTION = 4;
const END = 5;
/** Flags of any block. */
const HAS_EXTRA = 0x01;
const HAS_DATA = 0x02;
const SPLIT = 0x18;
/** Flags of a file. */
const DIRECTORY = 0x01;
const HAS_TIME = 0x02;
const HAS_CRC = 0x04;
const VOLUME = 0x01;
/** Records of the extra area. */
const EXTRA_ENCRYPTION = 1;
const EXTRA_REDIRECTION = 5;

/** The blocks of interest from the mark on. Throws Broken where they break off. */
export function* rar5Events(file: Octets): Generator<RarEvent> {
  for (let at = MARK; at < file.size;) {
    const head = new Fields(file.read(at, HEAD));
    head.skip(4);
    const size = head.number();
    if (size === 0 || size > MAX_HEADER) throw new Broken("rar: bad block");
    const start = at + head.at;
    const octets = file.read(start, size);
    if (octets.length < size) throw new Broken("rar: ends early");
    const block = new Fields(octets);
    const type = block.number();
    const flags = block.number();
    const extra = (flags & HAS_EXTRA) !== 0 ? block.number() : 0;
    const data = (flags & HAS_DATA) !== 0 ? block.number() : 0;
    if (type === ENCRYPTION) {
      yield { is: "encrypted" };
      return;
    }
    if (type === MAIN && (block.number() & VOLUME) !== 0) yield { is: "volume" };
    if (type === FILE)
      yield memberOf(block, octets.subarray(Math.max(0, size - extra)), {
        split: (flags & SPLIT) !== 0,
        data: { start: start + size, size: data },
      });
    if (type === END) return;
    at = start + size + data;
  }
}

function memberOf(
  block: Fields,
  extra: Buffer,
  { split, data }: { readonly split: boolean; readonly data: { start: number; size: number } },
): RarEvent {
  const flags = block.number();
  block.number();
  block.number();
  if ((flags & HAS_TIME) !== 0) block.skip(4);
  if ((flags & HAS_CRC) !== 0) block.skip(4);
  const method = (block.number() >> 7) & 7;
  block.number();
  const names = namesFrom(block.take(block.number()));
  const records = recordsOf(extra);
  const encrypted = records.has(EXTRA_ENCRYPTION);
  // Its target stands in the record.
  const link = records.has(EXTRA_REDIRECTION) && data.size === 0;
  return {
    is: "member",
    names,
    what: (flags & DIRECTORY) !== 0 ? "directory" : link ? "link" : "file",
    encrypted,
    split,
    stored: method === 0 ? data : null,
  };
}

/** The types of the records in the extra area, as far as they can be read. */
function recordsOf(extra: Buffer): Set<number> {
  const types = new Set<number>();
  const fields = new Fields(extra);
  try {
    while (!fields.ended) {
      const record = new Fields(fields.take(fields.number()));
      types.add(record.number());
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error; // The area is cut off: what came before counts.
  }
  return types;
}

/** Reads a block from its start; throws Broken at its end. */
class Fields {
  readonly #octets: Buffer;
  at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get ended(): boolean {
    return this.at >= this.#octets.length;
  }

  skip(length: number): void {
    this.take(length);
  }

  take(length: number): Buffer {
    if (length > this.#octets.length - this.at) throw new Broken("rar: ends early");
    this.at += length;
    return this.#octets.subarray(this.at - length, this.at);
  }

  /** Seven bits an octet, the low ones first. */
  number(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const octet = this.take(1)[0]!;
      value += (octet & 0x7f) * 2 ** (7 * i);
      if (octet < 0x80) return value;
    }
    throw new Broken("rar: bad number");
  }
}
