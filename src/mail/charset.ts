// Octets to text by the name of a charset, for encoded words (RFC 2047) and parameters (RFC 2231). TextDecoder knows the
// charsets of the web; UTF-7 (RFC 2152) is read here since it hides names from readers that lack it.
import { TextDecoder } from "node:util";

const decoders = new Map<string, TextDecoder | null>();

/** The text; with an unknown charset UTF-8 if that fits, else Latin-1, so that ASCII always survives. Never throws. */
export function decodeCharset(octets: Buffer, charset: string): string {
  const label = charset.trim().toLowerCase();
  if (label === "utf-7" || label === "unicode-1-1-utf-7")
    return decodeUtf7(octets.toString("latin1"));
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
