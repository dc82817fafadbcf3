// The stream cipher RC4, which OpenSSL no longer offers; old documents are encrypted with it. Used by pdf-crypt.ts.

/** A function that en- or decrypts what it is given, going on where it stopped. */
export function rc4(key: Buffer): (octets: Buffer) => Buffer {
  const state = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + state[i]! + key[i % key.length]!) & 255;
    [state[i], state[j]] = [state[j]!, state[i]!];
  }
  let i = 0;
  let j = 0;
  return (octets) => {
    const out = Buffer.allocUnsafe(octets.length);
    for (let at = 0; at < octets.length; at++) {
      i = (i + 1) & 255;
      const one = state[i]!;
      j = (j + one) & 255;
      const other = state[j]!;
      state[i] = other;
      state[j] = one;
      out[at] = octets[at]! ^ state[(one + other) & 255]!;
    }
    return out;
  };
}
