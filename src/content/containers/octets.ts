// The octets of a file that a container's reader looks at: random access, in memory or in an open file. Reads are synchronous, since
// containers are read in a thread of their own; nothing here is used on the event loop of the mail path.
import { readSync } from "node:fs";

export interface Octets {
  readonly size: number;
  /**
   * The octets from `at`; fewer than `length` only at the end, none beyond it. May share memory with the file, never to be
   * written to. `at` and `length` may be any number that came from a hostile file: negative, huge and NaN give no octets.
   */
  read(at: number, length: number): Buffer;
}

const NONE = Buffer.alloc(0);

/** Octets in memory. */
export function octetsOf(bytes: Buffer): Octets {
  return {
    size: bytes.length,
    read(at, length) {
      if (!(at >= 0 && at < bytes.length && length > 0)) return NONE;
      return bytes.subarray(at, Math.min(bytes.length, at + length));
    },
  };
}

/** Octets of an open file from its start, which must stay open and unchanged. A read copies: ask for pieces, not for all. */
export function octetsOfFile(descriptor: number, size: number): Octets {
  return {
    size,
    read(at, length) {
      if (!(at >= 0 && at < size && length > 0)) return NONE;
      const room = Buffer.allocUnsafe(Math.min(length, size - at));
      let got = 0;
      while (got < room.length) {
        const more = readSync(descriptor, room, got, room.length - got, at + got);
        if (more === 0) break;
        got += more;
      }
      return room.subarray(0, got);
    },
  };
}

/** A window into other octets; what lies outside `from.size` is not there. */
export function octetsWithin(from: Octets, start: number, size: number): Octets {
  const end = Math.max(0, Math.min(from.size, start + size));
  const length = start >= 0 && start < end ? end - start : 0;
  return {
    size: length,
    read(at, wanted) {
      if (!(at >= 0 && at < length && wanted > 0)) return NONE;
      return from.read(start + at, Math.min(wanted, length - at));
    },
  };
}

/** All octets in pieces, in order. */
export function* pieces(from: Octets, piece: number = 64 * 1024): Generator<Buffer> {
  for (let at = 0; at < from.size; at += piece) yield from.read(at, piece);
}
