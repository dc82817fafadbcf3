// Whether postern knows of octets that another reader shows: found in a part, in another reading, or the message is flagged.
import { looseHash, type Seen } from "./postern.ts";

export type Known = "found" | "found otherwise" | "flagged" | "missed";

export function knows(seen: Seen, octets: Buffer): Known {
  const hash = looseHash(octets);
  const has = (one: { readonly octets: Buffer }): boolean => looseHash(one.octets) === hash;
  if (seen.leaves.some(has)) return "found";
  if (seen.others.some(has)) return "found otherwise";
  return isFlagged(seen) ? "flagged" : "missed";
}

/**
 * The same for what a reader shows of a message that hides `payload`. Null when the payload is not in it (text that this reader leaves
 * encoded, a decoy). Where it stands within other octets, knowing a part that holds it is enough.
 */
export function knowsShown(seen: Seen, octets: Buffer, payload: Buffer): Known | null {
  // Its start: a damaged message may have lost the rest.
  const start = payload.subarray(0, 9);
  const at = octets.indexOf(start);
  if (at < 0) return null;
  const known = knows(seen, octets);
  if (known !== "missed" || at === 0) return known;
  const holds = (one: { readonly octets: Buffer }): boolean => one.octets.includes(start);
  if (seen.leaves.some(holds)) return "found";
  return seen.others.some(holds) ? "found otherwise" : "missed";
}

/** True when policy gets to decide: anything but a mere fault was found. */
export function isFlagged({ tree }: Seen): boolean {
  if (tree.overLimit !== null) return true;
  return tree.parts.some(({ defects }) => defects.some((one) => one.class !== "fault"));
}
