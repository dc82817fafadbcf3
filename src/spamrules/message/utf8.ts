// UTF-8 on octets, as strict and as lax as Perl's Encode: non-characters and surrogates are refused, and one broken sequence makes
// one U+FFFD however long its lead octet made it out to be.

const REPLACEMENT = "\xef\xbf\xbd";

/** Good UTF-8 without surrogates and non-characters (U+FDD0 to U+FDEF, U+nFFFE, U+nFFFF). */
export function isUtf8(octets: string): boolean {
  const length = octets.length;
  for (let at = 0; at < length;) {
    if (octets.charCodeAt(at) < 128) {
      at += 1;
      continue;
    }
    const size = goodSequence(octets, at);
    if (size === 0) return false;
    at += size;
  }
  return true;
}

/** Octets of the good sequence that starts here with a high bit; 0: there is none. */
function goodSequence(octets: string, at: number): number {
  const lead = octets.charCodeAt(at);
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const second = octets.charCodeAt(at + 1);
  if (!continues(second)) return 0;
  if (lead < 0xe0) return 2;
  const third = octets.charCodeAt(at + 2);
  if (!continues(third)) return 0;
  if (lead < 0xf0) {
    const point = ((lead & 15) << 12) | ((second & 63) << 6) | (third & 63);
    return point < 0x800 || (point >= 0xd800 && point < 0xe000) || isNoCharacter(point) ? 0 : 3;
  }
  const fourth = octets.charCodeAt(at + 3);
  if (!continues(fourth)) return 0;
  const point = ((lead & 7) << 18) | ((second & 63) << 12) | ((third & 63) << 6) | (fourth & 63);
  return point < 0x10000 || point > 0x10ffff || isNoCharacter(point) ? 0 : 4;
}

/** False for NaN, which is what comes behind the end. */
function continues(code: number): boolean {
  return (code & 0xc0) === 0x80;
}

function isNoCharacter(point: number): boolean {
  return (point & 0xfffe) === 0xfffe || (point >= 0xfdd0 && point <= 0xfdef);
}

/** Good UTF-8, a U+FFFD for each broken sequence. */
export function repairUtf8(octets: string): string {
  if (isUtf8(octets)) return octets;
  const pieces: string[] = [];
  let from = 0;
  for (let at = 0; at < octets.length;) {
    const lead = octets.charCodeAt(at);
    const size = lead < 128 ? 1 : goodSequence(octets, at);
    if (size > 0) {
      at += size;
      continue;
    }
    pieces.push(octets.slice(from, at), REPLACEMENT);
    const claimed = claimedSize(lead);
    const end = Math.min(at + claimed, octets.length);
    at += 1;
    while (at < end && continues(octets.charCodeAt(at))) at += 1;
    from = at;
  }
  pieces.push(octets.slice(from));
  return pieces.join("");
}

/** How long a sequence with this lead octet would be in Perl's extended UTF-8. */
function claimedSize(lead: number): number {
  if (lead < 0xc0) return 1;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  if (lead < 0xf8) return 4;
  if (lead < 0xfc) return 5;
  if (lead < 0xfe) return 6;
  return lead === 0xfe ? 7 : 13;
}

/** How many characters good UTF-8 holds. */
export function countCharacters(octets: string): number {
  let count = 0;
  for (let at = 0; at < octets.length; at += 1) if (!continues(octets.charCodeAt(at))) count += 1;
  return count;
}

/** Where the character with this number starts, in octets; the length when there are not so many. */
export function offsetOfCharacter(octets: string, number: number): number {
  let count = -1;
  for (let at = 0; at < octets.length; at += 1) {
    if (continues(octets.charCodeAt(at))) continue;
    count += 1;
    if (count === number) return at;
  }
  return octets.length;
}
