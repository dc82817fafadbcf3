// A token: what Bayes counts. It is stored under the last five octets of its SHA-1, as SpamAssassin's stores do; five octets fit a number.
import { hash } from "node:crypto";

export interface Token {
  /** The last five octets of the SHA-1 of the text, as one number. */
  readonly id: number;
  /** Octets, one character each: "H*r:example", "UD:example.org", "money". */
  readonly text: string;
}

/** The id of a text of octets. */
export function tokenId(text: string): number {
  // Text of octets would be hashed as UTF-8.
  const digest = hash("sha1", /[\x80-\xff]/.test(text) ? Buffer.from(text, "latin1") : text, "hex");
  return Number.parseInt(digest.slice(30), 16);
}
