// What SpamAssassin reads from single attributes: whether a font's names look like names, and how large an image claims to be. Called by
// page.ts.
import type { Attributes } from "./attributes.ts";
import type { Decoded } from "./entities.ts";
import { plainDigits } from "./octets.ts";

const QUOTED_NAME = /^["'.][a-z ][a-z -]*[a-z]\d?["']?$/i;
const NAME = /^[a-z][a-z -]*[a-z]\d?["']?$/i;
const NAME_AFTER_BLANK = /^[a-z -]*[a-z]\d?["']?$/i;
const LATER_NAME = /^["']?[a-z][a-z -]*[a-z]\d?["']?$/i;

/** True unless `face` is a list of names as ham has them: letters, blanks and hyphens, perhaps a digit at the end, perhaps quoted. */
export function fontFaceIsBad(face: Decoded): boolean {
  const text = plainDigits(face.octets, face.wide).replace(/\n$/, "").replace(/;$/, "");
  const names = text.split(",");
  return !names.every((name, at) => {
    const start = name.replace(/^[\t-\r ]+/, "");
    if (at > 0) return LATER_NAME.test(start);
    if (QUOTED_NAME.test(start) || NAME.test(start)) return true;
    return name.length > start.length && name.at(-start.length - 1) === " "
      ? NAME_AFTER_BLANK.test(start)
      : false;
  });
}

/** Width times height in pixels, of a screen of 800 by 600 for per cents; 200 for what cannot be read. 0 when one is missing. */
export function imageArea(attributes: Attributes): number {
  const width = attributes.get("width");
  const height = attributes.get("height");
  if (width === undefined || height === undefined) return 0;
  return pixels(width.octets, 8) * pixels(height.octets, 6);
}

function pixels(text: string, perCent: number): number {
  const [, digits, sign] = /^(\d+)(%)?\n?$/.exec(text) ?? [];
  const count = Number(digits ?? 0) * (sign === undefined ? 1 : perCent);
  return count <= 0 ? 200 : count;
}
