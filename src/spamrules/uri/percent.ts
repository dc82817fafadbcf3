// Percent signs in URIs, taken apart the way SpamAssassin does it.

/**
 * %21 to %7E become the characters they stand for; what is no printable ASCII outside of them, and any of " % < >, becomes lower-case
 * %xx. Not applied again to its own result.
 */
export function decodePercent(uri: string): string {
  return uri.replace(
    /%([0-9a-fA-F]{2})|[\x00-\x20\x7f-\xff"%<>]/g,
    (found: string, digits: string | undefined) => {
      if (digits === undefined) return `%${found.charCodeAt(0).toString(16).padStart(2, "0")}`;
      const code = Number.parseInt(digits, 16);
      return code > 0x20 && code < 0x7f ? String.fromCharCode(code) : found;
    },
  );
}
