// Perl's two kinds of strings, as octets in a latin1 string: "narrow" holds one octet a character (Latin-1), "wide" holds UTF-8. The
// renderer keeps them apart as Perl does, since white space, letters and lengths differ, and a text stays narrow until it meets a wide one.

const HIGH = /[\x80-\xff]/;
const EVERY_HIGH = /[\x80-\xff]/g;
const CONTINUATIONS = /[\x80-\xbf]+/g;
/** What Perl's \s matches in a wide string beyond ASCII, as octets. */
const FAR_SPACE =
  /\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80/g;
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]/u;

export function isHigh(octets: string): boolean {
  return HIGH.test(octets);
}

/** Latin-1 to UTF-8. */
export function widen(narrow: string): string {
  if (!HIGH.test(narrow)) return narrow;
  return narrow.replace(EVERY_HIGH, (high) => {
    const code = high.charCodeAt(0);
    return code < 0xc0 ? `\xc2${high}` : `\xc3${String.fromCharCode(code - 0x40)}`;
  });
}

/** UTF-8 to Latin-1 where no character is beyond it: matching does not tell such a wide string of Perl's from a narrow one. */
export function narrowest(utf8: string): string {
  if (!HIGH.test(utf8) || /[\xc4-\xff]/.test(utf8)) return utf8;
  return utf8.replace(/([\xc2\xc3])([\x80-\xbf])/g, (_, lead: string, rest: string) =>
    lead === "\xc2" ? rest : String.fromCharCode(rest.charCodeAt(0) + 0x40),
  );
}

/** How many characters, as Perl's length() counts. */
export function characters(octets: string, wide: boolean): number {
  return wide && HIGH.test(octets) ? octets.replace(CONTINUATIONS, "").length : octets.length;
}

/** How many of the characters are white space, as SpamAssassin counts them: a form feed is none in a narrow string. */
export function spaces(octets: string, wide: boolean): number {
  let count = 0;
  for (let at = 0; at < octets.length; at += 1) {
    const code = octets.charCodeAt(at);
    if (code === 32 || (code >= 9 && code <= 13 && (wide || code !== 12))) count += 1;
  }
  if (wide && HIGH.test(octets)) count += octets.match(FAR_SPACE)?.length ?? 0;
  return count;
}

/** The same with every white space beyond ASCII's as "\v", so that patterns need to know ASCII's only. */
export function plainSpaces(octets: string, wide: boolean): string {
  if (!wide || !HIGH.test(octets)) return octets;
  return octets.replace(FAR_SPACE, "\v");
}

/** Digits of other scripts as "0", which is their worth to Perl, and white space as plainSpaces() has it. */
export function plainDigits(octets: string, wide: boolean): string {
  if (!wide || !HIGH.test(octets)) return octets;
  return plainSpaces(octets, true).replace(/[\xc2-\xf4][\x80-\xbf]+/g, (character) =>
    /^\p{Nd}$/u.test(Buffer.from(character, "latin1").toString("utf8")) ? "0" : character,
  );
}

/** The first `count` characters. */
export function firstCharacters(octets: string, count: number, wide: boolean): string {
  if (octets.length <= count || !wide || !HIGH.test(octets)) return octets.slice(0, count);
  let at = 0;
  for (let left = count; left > 0 && at < octets.length; left -= 1) at += widthAt(octets, at);
  return octets.slice(0, at);
}

/** Octets of the character that starts at `at`. */
export function widthAt(octets: string, at: number): number {
  const code = octets.charCodeAt(at);
  if (code < 0xc0) return 1;
  if (code < 0xe0) return 2;
  return code < 0xf0 ? 3 : 4;
}

/** Whether one character is a letter, digit or connector to Perl's \w: ASCII's only in a narrow string. */
export function isWord(character: string, wide: boolean): boolean {
  if (character.length === 1 && character < "\x80") return /\w/.test(character);
  return wide && WORD.test(Buffer.from(character, "latin1").toString("utf8"));
}

/** A to Z only. */
export function asciiLower(octets: string): string {
  return HIGH.test(octets)
    ? octets.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase())
    : octets.toLowerCase();
}

/** Without white space (and no-break space, in either kind) at the ends. */
export function trimmed(octets: string, wide: boolean): string {
  const plain = plainSpaces(octets, wide);
  const isBlank = (at: number): boolean => {
    const code = plain.charCodeAt(at);
    return code === 32 || (code >= 9 && code <= 13) || (!wide && code === 0xa0);
  };
  let start = 0;
  let end = plain.length;
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return plain.length === octets.length
    ? octets.slice(start, end)
    : wideSlice(octets, start, plain.length - end);
}

/** Cuts so many characters of white space off the ends of a wide string. */
function wideSlice(octets: string, before: number, after: number): string {
  let start = 0;
  for (let left = before; left > 0; left -= 1) start += widthAt(octets, start);
  let end = octets.length;
  for (let left = after; left > 0; left -= 1) {
    end -= 1;
    while (end > start && octets.charCodeAt(end) >= 0x80 && octets.charCodeAt(end) < 0xc0) end -= 1;
  }
  return octets.slice(start, end);
}
