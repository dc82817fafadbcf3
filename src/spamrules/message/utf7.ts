// UTF-7 (RFC 2152), which hides text from filters that lack it.

/** From octets to a JavaScript string; never fails. */
export function decodeUtf7(octets: string): string {
  return octets.replace(/\+([A-Za-z0-9+/]*)-?/g, (_all, coded: string) => {
    if (coded === "") return "+";
    const units = Buffer.from(coded, "base64");
    return units
      .subarray(0, units.length & ~1)
      .swap16()
      .toString("utf16le");
  });
}
