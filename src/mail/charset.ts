// Octets to text by the name of a charset, for encoded words (RFC 2047) and parameters (RFC 2231). TextDecoder knows the
// charsets of the web; UTF-7 (RFC 2152) is read here since it hides names from readers that lack it, and so are shifts within ASCII.
import { TextDecoder } from "node:util";

/**
 * Charsets that no browser knows and mail programs do, and how they shift between ASCII and pairs of 7-bit octets (RFC 1843, 1557,
 * 1922): invisible, even in the middle of an extension.
 */
const SHIFTS: ReadonlyMap<string, RegExp> = new Map([
  ["hz-gb-2312", /~(?:[{}~]|\r?\n)/g],
  ["iso-2022-kr", /\x1b\$\)C|[\x0e\x0f]/g],
  ["iso-2022-cn", /\x1b\$[)*+][A-Z]|\x1b[NO]|[\x0e\x0f]/g],
]);
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["hz", "hz-gb-2312"],
  ["hzgb2312", "hz-gb-2312"],
  ["csiso2022kr", "iso-2022-kr"],
  ["csiso2022cn", "iso-2022-cn"],
  ["iso-2022-cn-ext", "iso-2022-cn"],
  ["x-cp50227", "iso-2022-cn"],
]);

const decoders = new Map<string, TextDecoder | null>();

/**
 * The text; with an unknown charset UTF-8 if that fits, else Latin-1, so that ASCII always survives. Of HZ and ISO-2022-KR and -CN only
 * the ASCII is read. Never throws.
 */
export function decodeCharset(octets: Buffer, charset: string): string {
  const label = charset.trim().toLowerCase();
  if (label === "utf-7" || label === "unicode-1-1-utf-7")
    return decodeUtf7(octets.toString("latin1"));
  const shifts = SHIFTS.get(ALIASES.get(label) ?? label);
  if (shifts !== undefined)
    return octets.toString("latin1").replace(shifts, (shift) => (shift === "~~" ? "~" : ""));
  const decoder = decoderOf(label) ?? decoderOf("utf-8");
  const text = decoder === null ? "" : decoder.decode(octets);
  return decoderOf(label) === null && text.includes("\ufffd") ? octets.toString("latin1") : text;
}

function decoderOf(label: string): TextDecoder | null {
  const known = decoders.get(label);
  if (known !== undefined) return known;
  let decoder: TextDecoder | null = null;
  try {
    decoder = new TextDecoder(label);
  } catch {
    // RangeError is TextDecoder's way to say that it does not know the label.
  }
  // Labels come from strangers: a bounded table.
  if (decoders.size < 256) decoders.set(label, decoder);
  return decoder;
}

function decodeUtf7(text: string): string {
  return text.replace(/\+([A-Za-z0-9+/]*)-?/g, (_all, coded: string) => {
    if (coded === "") return "+";
    const octets = Buffer.from(coded, "base64");
    return octets
      .subarray(0, octets.length & ~1)
      .swap16()
      .toString("utf16le");
  });
}
