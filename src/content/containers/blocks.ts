// Octets that lie in blocks all over a file, with holes between that read as zeros: the disk in an image. Used by vhd.ts and vhdx.ts.
import type { Octets } from "./octets.ts";

const NONE = Buffer.alloc(0);
/** More than any reader of disks asks for at once; a longer read gives so much. */
const MAX_READ = 4 * 1024 * 1024;

/** `placeOf` tells where the octets of a block begin in the file, null for a hole. */
export function blocksAsOctets(
  file: Octets,
  size: number,
  block: number,
  placeOf: (index: number) => number | null,
): Octets {
  return {
    size,
    read(at, length) {
      if (!(at >= 0 && at < size && length > 0)) return NONE;
      const octets = Buffer.alloc(Math.min(length, size - at, MAX_READ));
      for (let done = 0; done < octets.length;) {
        const within = (at + done) % block;
        const part = Math.min(block - within, octets.length - done);
        const place = placeOf(Math.floor((at + done) / block));
        if (place !== null) file.read(place + within, part).copy(octets, done);
        done += part;
      }
      return octets;
    },
  };
}
