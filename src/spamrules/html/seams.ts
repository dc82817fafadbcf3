// Where two texts meet with tags between them: words that tags tear apart, "obfuscation" and "backhair" in SpamAssassin's words. Called by
// page.ts.
import type { Decoded } from "./entities.ts";
import { isWord, widthAt } from "./octets.ts";

const MOST = 7;
const FAR_SPACE =
  /^(?:\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)$/;

/** The first characters of a text, one element each. */
function head({ octets, wide }: Decoded): string[] {
  const characters: string[] = [];
  for (let at = 0; at < octets.length && characters.length <= MOST;) {
    const width = wide ? widthAt(octets, at) : 1;
    characters.push(octets.slice(at, at + width));
    at += width;
  }
  return characters;
}

/** The last characters of a text, last first. */
function tail({ octets, wide }: Decoded): string[] {
  const characters: string[] = [];
  for (let end = octets.length; end > 0 && characters.length <= MOST;) {
    let start = end - 1;
    while (
      wide &&
      start > 0 &&
      octets.charCodeAt(start) >= 0x80 &&
      octets.charCodeAt(start) < 0xc0
    ) {
      start -= 1;
    }
    characters.push(octets.slice(start, end));
    end = start;
  }
  return characters;
}

/** Neither white space nor ASCII punctuation. */
function isSolid(character: string): boolean {
  if (character.length > 1) return !FAR_SPACE.test(character);
  return /[0-9A-Za-z]/.test(character) || !/[\t-\r -~]/.test(character);
}

/** By its first or last octet alone. */
function maybeSolid(code: number): boolean {
  if (code <= 32) return code < 9 || (code > 13 && code < 32);
  return code >= 127 || (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 122);
}

/** True when a solid character ends `before` and one begins `after`. */
export function isTorn(before: Decoded, after: Decoded): boolean {
  if (!maybeSolid(before.octets.charCodeAt(before.octets.length - 1))) return false;
  if (!maybeSolid(after.octets.charCodeAt(0))) return false;
  const last = tail(before)[0];
  const first = head(after)[0];
  if (last === undefined || first === undefined) return false;
  return isSolid(last) && isSolid(first);
}

/** Lengths of the word parts on both sides, "3_4"; null unless both have one of at most seven characters. */
export function tornWord(before: Decoded, after: Decoded): string | null {
  const end = solidRun(tail(before), before.wide);
  const start = end === 0 ? 0 : solidRun(head(after), after.wide);
  return start === 0 ? null : `${end}_${start}`;
}

/** The longest run of solid characters, at most seven, that has a word's border at its far end; 0 without one. */
function solidRun(characters: readonly string[], wide: boolean): number {
  let run = 0;
  while (run < MOST && run < characters.length && isSolid(characters[run] ?? "")) run += 1;
  for (; run > 0; run -= 1) {
    const beyond = characters[run];
    const isBorder =
      isWord(characters[run - 1] ?? "", wide) !== (beyond !== undefined && isWord(beyond, wide));
    if (isBorder) return run;
  }
  return 0;
}
