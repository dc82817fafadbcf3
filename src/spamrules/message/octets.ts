// Small things that Perl does with octets and JavaScript does otherwise: its white space, its lower case, its lines. A text is a
// latin1 string, one octet a character.

/** Perl's \s among octets. */
const SPACE = 1;
const KIND = new Uint8Array(256);
for (const code of [9, 10, 11, 12, 13, 32]) KIND[code] = SPACE;

export function isSpace(code: number): boolean {
  return code < 256 && KIND[code] === SPACE;
}

/** Without white space at its end. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return end === text.length ? text : text.slice(0, end);
}

/** Without white space at either end. */
export function trim(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charCodeAt(start))) start += 1;
  return trimEnd(start === 0 ? text : text.slice(start));
}

/** One blank for each run of white space. Blanks that stand alone, as nearly all do, are left where they are. */
export function oneBlank(text: string): string {
  return text.replace(/[\t-\r][\t-\r ]*| [\t-\r ]+/g, " ");
}

/** A to Z only: octets above 127 have no case. */
export function lower(text: string): string {
  if (!hasHighBits(text)) return text.toLowerCase();
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function hasHighBits(text: string): boolean {
  return /[\x80-\xff]/.test(text);
}

/** Lines with their ends; "" has none, and nothing stands after a last "\n". */
export function splitLines(text: string): string[] {
  const lines: string[] = [];
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf("\n", start);
    if (end < 0) {
      lines.push(text.slice(start));
      break;
    }
    lines.push(text.slice(start, end + 1));
    start = end + 1;
  }
  return lines;
}

/** True when it holds nothing but white space. */
export function isBlank(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (!isSpace(text.charCodeAt(at))) return false;
  return true;
}

export function utf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Only for text that isUtf8() holds to be good. */
export function fromUtf8(octets: string): string {
  return Buffer.from(octets, "latin1").toString("utf8");
}
