// A start tag's attributes, decoded: the first of each name counts. Called by render.ts.
import { type Decoded, decodeEntities } from "./entities.ts";
import { asciiLower } from "./octets.ts";

/** By lower-case name. */
export type Attributes = ReadonlyMap<string, Decoded>;

/** `tokens` as startTag() of markup.ts makes them, of `octets`. An attribute without value has its own name as value. */
export function attributesOf(
  octets: string,
  tokens: readonly number[],
  wide: boolean,
): Map<string, Decoded> {
  const attributes = new Map<string, Decoded>();
  for (let at = 2; at + 3 < tokens.length; at += 4) {
    const written = octets.slice(tokens[at], tokens[at + 1]);
    const name = asciiLower(written);
    if (attributes.has(name)) continue;
    const start = tokens[at + 2] ?? -1;
    const end = tokens[at + 3] ?? -1;
    if (start < 0) {
      attributes.set(name, { octets: written, wide });
      continue;
    }
    const first = octets[start];
    const isQuoted = end > start && (first === '"' || first === "'");
    const value = isQuoted ? octets.slice(start + 1, end - 1) : octets.slice(start, end);
    attributes.set(name, decodeEntities(value, wide, false));
  }
  return attributes;
}
