// Base64 and quoted-printable as SpamAssassin undoes them, for bodies and encoded words: lenient, and each in its own order.

const CLEAN_BASE64 = /^[A-Za-z0-9+/\t-\r ]*[=\t-\r ]*$/;

/**
 * Octets of base64. Padding in the middle counts as "A" when everything else is clean, else as "/": two decoders stand behind
 * one another in SpamAssassin, and the second translates by a table that is one too short.
 */
export function decodeBase64(text: string): string {
  if (CLEAN_BASE64.test(text)) return base64(text);
  const solid = text.replace(/[\t-\r ]+/g, "");
  const digits = solid.replace(/[^A-Za-z0-9+/=]+/g, "");
  const clean = digits.length === solid.length && solid.length % 4 === 0;
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "=") end -= 1;
  return base64(digits.slice(0, end).replaceAll("=", clean ? "A" : "/"));
}

function base64(digits: string): string {
  return Buffer.from(digits, "base64").toString("latin1");
}

/** Octets of quoted-printable: white space at line ends goes first, then soft line breaks, then what has become an escape by that. */
export function decodeQuotedPrintable(text: string): string {
  let joined = /[ \t]\r?\n/.test(text) ? withoutTrailingBlanks(text) : text;
  if (!joined.includes("=")) return joined;
  joined = joined.replace(/=\r?\n/g, "");
  return unescape(joined);
}

function withoutTrailingBlanks(text: string): string {
  const pieces: string[] = [];
  let start = 0;
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
    const eol = end > start && text[end - 1] === "\r" ? end - 1 : end;
    let last = eol;
    while (last > start && (text[last - 1] === " " || text[last - 1] === "\t")) last -= 1;
    pieces.push(text.slice(start, last), text.slice(eol, end + 1));
    start = end + 1;
  }
  pieces.push(text.slice(start));
  return pieces.join("");
}

function unescape(text: string): string {
  if (!text.includes("=")) return text;
  const octets = Buffer.from(text, "latin1");
  let to = 0;
  for (let from = 0; from < octets.length; from += 1) {
    const code = octets[from] ?? 0;
    if (code === 61) {
      const high = digit(octets[from + 1]);
      const low = digit(octets[from + 2]);
      if (high >= 0 && low >= 0) {
        octets[to++] = high * 16 + low;
        from += 2;
        continue;
      }
    }
    octets[to++] = code;
  }
  return octets.toString("latin1", 0, to);
}

function digit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
