// Octets of whatever charset to UTF-8 octets, in SpamAssassin's order of attempts (no Encode::Detect): what is
// good UTF-8 is UTF-8 whatever was declared, then what was declared if it fits strictly, else Windows-1252.
import { charsetName } from "./charset-name.ts";
import { decodeMulti } from "./multi-byte.ts";
import { hasHighBits } from "./octets.ts";
import { decodeSingle, upperHalf } from "./single-byte.ts";
import { isUtf8, repairUtf8 } from "./utf8.ts";

const ASCII = /^(?:(?:US-)?ASCII|ANSI[_ ]?X3\.4-(?:1986|1968)|ISO646-US)$/i;
/** Supersets of ASCII by whose name 7-bit text need not be decoded. */
const EXTENDED =
  /^(?:ISO[ -]?8859(?:-\d{1,2})?|Windows-\d{4}|UTF-?8|(?:KOI8|EUC)-[A-Z]{1,2}|Big5|GBK|GB[ -]?18030(?:-20\d\d)?)$/i;

/**
 * "guess": as above. "insist": for encoded words: the declared charset whether it fits or not, U+FFFD where it does not.
 * UTF-16 is left as it came, as SpamAssassin leaves it in header fields.
 */
export function toUtf8Octets(octets: string, declared: string, mode: "guess" | "insist"): string {
  return normalize(octets, declared, mode === "insist", false).octets;
}

/** A text, and whether a charset was decoded: Perl then knows characters where it has octets else. */
export interface Text {
  readonly octets: string;
  readonly wide: boolean;
}

/** The text of a part. The charset: as the part declares it, null without one. */
export function textToUtf8(octets: string, charset: string | null): Text {
  return normalize(octets, charset ?? "us-ascii", false, true);
}

/** The same with normalize_charset 0: what is declared as ASCII or UTF-8 and is good UTF-8 is decoded, nothing else. */
export function textAsDeclared(octets: string, charset: string | null): Text {
  const known = charset === null || /^(?:US-ASCII|UTF-8)$/i.test(charset);
  return { octets, wide: known && hasHighBits(octets) && isUtf8(octets) };
}

function normalize(octets: string, declared: string, insist: boolean, text: boolean): Text {
  const high = hasHighBits(octets);
  if (!high && (ASCII.test(declared) || EXTENDED.test(declared))) return { octets, wide: false };
  const tried = high && !insist;
  if (tried && isUtf8(octets)) return { octets, wide: true };
  let result: string | null = null;
  if (/^UTF[ -]?16/i.test(declared)) {
    const decoded = decodeUtf16(octets);
    if (decoded !== null && !text) return { octets, wide: false };
    result = decoded;
  } else if (insist || !/^(?:US-)?ASCII$/i.test(declared)) {
    result = decodeDeclared(octets, declared, !insist, tried);
  }
  if (result !== null) return { octets: result, wide: true };
  return { octets: high ? (windows1252(octets, false) ?? octets) : octets, wide: high };
}

function windows1252(octets: string, strict: boolean): string | null {
  const table = upperHalf("cp1252");
  return table === null ? null : decodeSingle(octets, table, strict);
}

function decodeDeclared(
  octets: string,
  declared: string,
  strict: boolean,
  triedUtf8: boolean,
): string | null {
  if (/^(?:ISO-?8859-1|Windows-1252|CP1252)$/i.test(declared)) return windows1252(octets, strict);
  const name = charsetName(declared);
  if (name === "utf-8" || name === "utf8") {
    if (!strict) return repairUtf8(octets);
    return triedUtf8 || !isUtf8(octets) ? null : octets;
  }
  const table = upperHalf(name);
  if (table !== null) return decodeSingle(octets, table, strict);
  const decoded = decodeMulti(octets, name, strict);
  if (decoded !== undefined) return decoded;
  if (!/^GB[ -]?18030(?:-20\d\d)?$/i.test(declared)) return null;
  return decodeMulti(octets, "cp936", strict) ?? null;
}

/** By where the zeros are; null with a byte order mark (which SpamAssassin then forgets about) and when neither order fits. */
function decodeUtf16(octets: string): string | null {
  if (octets.startsWith("\xff\xfe") || octets.startsWith("\xfe\xff")) return null;
  let little = 0;
  let big = 0;
  let even = 0;
  let odd = 0;
  for (let at = 0; at < octets.length; at += 2) {
    const first = octets.charCodeAt(at);
    const second = at + 1 < octets.length ? octets.charCodeAt(at + 1) : 0;
    even += (first >> 4) + (first & 15);
    odd += (second >> 4) + (second & 15);
    if (first === 0x20 && second === 0) little += 1;
    if (first === 0 && second === 0x20) big += 1;
  }
  if (even > odd * 4) little += 1;
  if (odd * 4 > even) big += 1;
  if (little === big) return null;
  return decodeMulti(octets, little > big ? "utf-16le" : "utf-16be", true) ?? null;
}
