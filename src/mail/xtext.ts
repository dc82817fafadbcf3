// xtext (RFC 3461 4): how octets outside printable ASCII travel in ESMTP parameters and XFORWARD values. Used by the
// SMTP listener (decoding) and by the sending client (encoding).

import { isUtf8 } from "node:buffer";

const PLAIN = /^[\x21-\x2a\x2c-\x3c\x3e-\x7e]*$/;
const HEX = "0123456789ABCDEF";

/** The UTF-8 octets of `text` as xtext; "+", "=", blanks, control and 8-bit octets become "+XX". */
export function encodeXtext(text: string): string {
  if (PLAIN.test(text)) return text;
  let encoded = "";
  for (const octet of Buffer.from(text, "utf8")) {
    const plain = octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
    encoded += plain
      ? String.fromCharCode(octet)
      : `+${HEX.charAt(octet >> 4)}${HEX.charAt(octet & 15)}`;
  }
  return encoded;
}

/**
 * What `text` stands for: UTF-8 if the octets are valid UTF-8, else Latin-1. Null when a "+" is not followed by two hex
 * digits. Lower-case digits are taken too, as Postfix does; characters that should have been encoded stay.
 */
export function decodeXtext(text: string): string | null {
  if (!text.includes("+")) return text;
  if (/\+(?![0-9A-Fa-f]{2})/.test(text)) return null;
  const octets = Buffer.from(text, "utf8");
  let to = 0;
  for (let from = 0; from < octets.length; from++, to++) {
    if (octets[from] !== 0x2b) {
      octets[to] = octets[from] ?? 0;
      continue;
    }
    octets[to] = Number.parseInt(octets.toString("latin1", from + 1, from + 3), 16);
    from += 2;
  }
  const decoded = octets.subarray(0, to);
  return decoded.toString(isUtf8(decoded) ? "utf8" : "latin1");
}
