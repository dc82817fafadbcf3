// The decoded octets of a zip file's member by its method (APPNOTE 4.4.5). Deflate streams are followed to their own end, whatever
// the headers say of their size, since readers do both. Used by zip.ts.
import { bzip2Octets } from "./bzip2.ts";
import { Broken } from "./format.ts";
import { Inflate } from "./inflate.ts";
import { lzmaStream } from "./lzma-files.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { xzOctets } from "./xz.ts";
import { zstdOctets } from "./zstd.ts";

/** One way to read a member's octets. */
export interface Reading {
  pieces(): AsyncIterable<Buffer> | Iterable<Buffer>;
  /** Behind the last octet that belongs to the member, as far as it was read; where the headers put it when nothing was. */
  end(): number;
  /** True when the octets were read to their own end, and that is not where the headers put it, or not as many came out. */
  lied(): boolean;
}

const STORED = 0;
const DEFLATE = 8;
const DEFLATE_64 = 9;
const BZIP2 = 12;
const LZMA = 14;
const ZSTD_OLD = 20;
const ZSTD = 93;
const XZ = 95;
/** In front of an LZMA stream: version, length of the properties, the properties (APPNOTE 5.8.8). */
const LZMA_HEADER = 4;
const LZMA_PROPERTIES = 5;

/** How many octets the header announces. */
export interface Announced {
  readonly compressed: number;
  readonly size: number;
  /** False when it leaves them to a record behind the octets. */
  readonly known: boolean;
}

/** Reads what starts at `start` with this method; null when the method is not read here. */
export function readingOf(
  file: Octets,
  method: number,
  start: number,
  announced: Announced,
): Reading | null {
  switch (method) {
    case STORED:
      return plain(file, start, announced, (octets) => pieces(octets));
    case DEFLATE:
      return deflated(new Inflate(file, start), start, announced);
    case DEFLATE_64:
      return deflated(new Inflate(file, start, true), start, announced);
    case BZIP2:
      return plain(file, start, announced, (octets) => bzip2Octets(octets));
    case LZMA:
      return plain(file, start, announced, (octets) => lzma(octets, announced.size));
    case XZ:
      return plain(file, start, announced, (octets) => xzOctets(octets));
    case ZSTD:
    case ZSTD_OLD:
      return plain(file, start, announced, (octets) => zstdOctets(octets));
    default:
      return null;
  }
}

/** A stream without an end mark ends where the header says; without that either, where the octets do. */
function lzma(octets: Octets, size: number): Iterable<Buffer> {
  const five = octets.read(LZMA_HEADER, LZMA_PROPERTIES);
  const length = size === 0 ? Infinity : size;
  return lzmaStream(octets, Buffer.from(five), LZMA_HEADER + LZMA_PROPERTIES, length);
}

function deflated(
  inflate: Inflate,
  start: number,
  { compressed, size, known }: Announced,
): Reading {
  let produced = 0;
  let ended = false;
  return {
    *pieces() {
      for (const piece of inflate.pieces()) {
        produced += piece.length;
        yield piece;
      }
      ended = true;
    },
    end: () => (inflate.position > start ? inflate.position : start + compressed),
    lied: () => ended && known && (inflate.position !== start + compressed || produced !== size),
  };
}

function plain(
  file: Octets,
  start: number,
  { compressed }: Announced,
  decode: (octets: Octets) => AsyncIterable<Buffer> | Iterable<Buffer>,
): Reading {
  return {
    async *pieces() {
      yield* decode(octetsWithin(file, start, compressed));
      if (start + compressed > file.size) throw new Broken("zip: cut off");
    },
    end: () => start + compressed,
    lied: () => false,
  };
}
