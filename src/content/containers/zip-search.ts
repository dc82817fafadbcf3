// Looks for headers in octets of a zip file that no directory accounts for. Used by zip.ts.
import type { Octets } from "./octets.ts";
import { CENTRAL, DESCRIPTOR, LOCAL } from "./zip-records.ts";
import type { Entry } from "./zip-records.ts";

const PIECE = 64 * 1024;
const PK = Buffer.from("PK");

/** Where one of these marks stands between `from` and `to`, in order. */
export function* marksIn(
  file: Octets,
  from: number,
  to: number,
  marks: readonly number[] = [LOCAL, CENTRAL],
): Generator<number> {
  for (let at = from; at < to; at += PIECE) {
    // A mark may begin at the last octet of a piece.
    const piece = file.read(at, Math.min(PIECE, to - at) + 3);
    for (let i = piece.indexOf(PK); i >= 0 && i < PIECE; i = piece.indexOf(PK, i + 1)) {
      if (i + 4 <= piece.length && at + i < to && marks.includes(piece.readUInt32LE(i)))
        yield at + i;
    }
  }
}

/** So long a record may stand behind a member's octets, before the next header. */
export const DESCRIPTOR_ROOM = 24;
const MAX_VERSION = 99;
const UNUSED_FLAGS = 0xc780;
const MAX_METHOD = 99;
const MAX_NAME = 4096;

/** False when the mark is chance, as the constant in a program that unpacks itself. */
export function isPlausible(local: Entry): boolean {
  const { version, flags, method, name } = local;
  return (
    version <= MAX_VERSION &&
    (flags & UNUSED_FLAGS) === 0 &&
    method <= MAX_METHOD &&
    name.length > 0 &&
    name.length <= MAX_NAME &&
    !/[\x01-\x1f]/.test(name.toString("latin1"))
  );
}

/** How many octets from `start` belong to a member whose header does not say it: up to its descriptor, or the next header. */
export function streamedLength(file: Octets, start: number): number {
  const next = marksIn(file, start, file.size, [DESCRIPTOR, LOCAL, CENTRAL]).next();
  return (next.value ?? file.size) - start;
}
