// Gathers what short lines give: octets handed on line by line would cost a call each for the hash and the other readers. Used by
// the decoders of files in text.

const OUT_SIZE = 16 * 1024;
/** A text may hold thousands of files of a few octets. */
const FIRST_SIZE = 256;

export interface Gatherer {
  /** Room for at least `count` octets (at most 4,096): write them at `at` and say how many with `took`. */
  room(count: number): { readonly out: Buffer; readonly at: number };
  took(count: number): void;
  push(octets: Buffer): void;
  /** Hands on what came. */
  flush(): void;
}

/** `give` gets the octets in pieces that are never overwritten. */
export function gatherer(give: (octets: Buffer) => void): Gatherer {
  let out = Buffer.alloc(0);
  let length = 0;
  let next = FIRST_SIZE;
  const flush = (): void => {
    if (length > 0) give(out.subarray(0, length));
    out = out.subarray(length);
    length = 0;
  };
  const room = (count: number): { out: Buffer; at: number } => {
    if (out.length - length < count) {
      flush();
      out = Buffer.allocUnsafe(Math.max(next, count));
      next = OUT_SIZE;
    }
    return { out, at: length };
  };
  return {
    room,
    took: (count) => void (length += count),
    push(octets) {
      if (octets.length > 4_096) {
        flush();
        give(octets);
        return;
      }
      const { out: into, at } = room(octets.length);
      into.set(octets, at);
      length += octets.length;
    },
    flush,
  };
}
