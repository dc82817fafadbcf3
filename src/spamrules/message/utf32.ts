// UTF-32 as Perl's Encode reads it: without a named order the octets must begin with a mark that tells it. Used by multi-byte.ts.

/** To a JavaScript string by Encode's name of it; null: strict, and it does not fit, or nobody knows the order. */
export function decodeUtf32(octets: string, name: string, strict: boolean): string | null {
  const marked = name === "utf-32";
  const little = marked ? octets.startsWith("\xff\xfe\0\0") : name === "utf-32le";
  if (marked && !little && !octets.startsWith("\0\0\xfe\xff")) return null;
  const buffer = Buffer.from(octets, "latin1");
  const pieces: string[] = [];
  let at = marked ? 4 : 0;
  for (; at + 4 <= buffer.length; at += 4) {
    const code = little ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at);
    const isCharacter = code <= 0x10ffff && (code & 0x1ff800) !== 0xd800;
    if (!isCharacter && strict) return null;
    pieces.push(isCharacter ? String.fromCodePoint(code) : "\ufffd");
  }
  return strict && at < buffer.length ? null : pieces.join("");
}
