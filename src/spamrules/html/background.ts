// The colour in a CSS `background:` value, as SpamAssassin finds it: in the last layer. Called by style.ts.
import { colourOf, INVALID } from "./colours.ts";

/**
 * `value` in lower case. null: no colour there. undefined: the value holds nothing, at which SpamAssassin's renderer dies and takes the
 * rest of the part with it.
 */
export function backgroundColour(value: string): string | null | undefined {
  const layer = lastLayer(value);
  if (layer === undefined) return undefined;
  for (const word of layer) {
    const colour = colourOf(word);
    if (colour !== INVALID) return colour;
  }
  return null;
}

const CLOSING: Readonly<Record<string, string>> = { "(": ")", '"': '"', "'": "'" };

/** Words of the last layer: split at blanks, but not in brackets and strings; commas part layers. */
function lastLayer(value: string): readonly string[] | undefined {
  let last: string[] | undefined;
  let words: string[] = [];
  let begun = 0;
  /** What ends each bracket or string that is open: at most a string in a bracket. */
  const open: string[] = [];
  for (let at = 0; at <= value.length; at += 1) {
    const character = value[at];
    const closing = open[open.length - 1];
    if (character === undefined) {
      if (at > begun) words.push(value.slice(begun, at));
    } else if (closing !== undefined) {
      if (character === closing) {
        open.pop();
        if (closing === ")") {
          words.push(value.slice(begun, at + 1));
          begun = at + 1;
        }
      } else if (closing === ")" && (character === '"' || character === "'")) {
        open.push(character);
      }
    } else if (character === " " || character === ",") {
      if (at > begun) words.push(value.slice(begun, at));
      begun = at + 1;
      if (character === ",") {
        last = words;
        words = [];
      }
    } else if (CLOSING[character] !== undefined) {
      open.push(CLOSING[character]);
    }
  }
  return words.length > 0 ? words : last;
}
