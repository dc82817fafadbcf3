// The key of an encrypted PDF whose user password is empty: ISO 32000-1, algorithms 2, 4 and 5 (revisions 2 to 4), and ISO 32000-2,
// algorithms 2.A and 2.B (revisions 5 and 6). Used by pdf-crypt.ts.
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { textOf, wordOf } from "./pdf-values.ts";
import type { Dict } from "./pdf-values.ts";
import { rc4 } from "./rc4.ts";

const PADDING = Buffer.from(
  "28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a",
  "hex",
);
const NOTHING = Buffer.alloc(0);

const md5 = (...parts: readonly Buffer[]): Buffer => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function integer(dict: Dict, key: string, otherwise: number): number {
  const value = dict.get(key);
  return typeof value === "number" && Number.isInteger(value) ? value : otherwise;
}

/** Revisions 2 to 4; null when the empty password does not open it. */
export function oldKey(encrypt: Dict, id: Buffer): Buffer | null {
  const owner = textOf(encrypt.get("O"));
  const user = textOf(encrypt.get("U"));
  const revision = integer(encrypt, "R", 0);
  if (owner === null || user === null || revision < 2 || revision > 4) return null;
  const bits = integer(encrypt, "V", 0) === 4 ? 128 : integer(encrypt, "Length", 40);
  const length = revision === 2 ? 5 : Math.min(16, Math.max(5, bits >> 3));
  const permissions = Buffer.alloc(4);
  permissions.writeInt32LE(integer(encrypt, "P", 0) | 0);
  const open = wordOf(encrypt.get("EncryptMetadata")) === "false" && revision === 4;
  const rest = open ? Buffer.from("ffffffff", "hex") : NOTHING;
  let key = md5(PADDING, owner.subarray(0, 32), permissions, id, rest);
  if (revision > 2) for (let i = 0; i < 50; i++) key = md5(key.subarray(0, length));
  key = key.subarray(0, length);
  if (revision === 2) return rc4(key)(PADDING).equals(user.subarray(0, 32)) ? key : null;
  let proof: Buffer = md5(PADDING, id);
  for (let i = 0; i < 20; i++) proof = rc4(key.map((octet) => octet ^ i) as Buffer)(proof);
  return proof.equals(user.subarray(0, 16)) ? key : null;
}

/** Revisions 5 and 6; null when the empty password does not open it. */
export function aesKey(encrypt: Dict): Buffer | null {
  const user = textOf(encrypt.get("U"));
  const packed = textOf(encrypt.get("UE"));
  const revision = integer(encrypt, "R", 0);
  if (user === null || packed === null || user.length < 48 || packed.length < 32) return null;
  if (revision !== 5 && revision !== 6) return null;
  const hash =
    revision === 5 ? (salt: Buffer) => createHash("sha256").update(salt).digest() : hardened;
  if (!hash(user.subarray(32, 40)).equals(user.subarray(0, 32))) return null;
  const cipher = createDecipheriv("aes-256-cbc", hash(user.subarray(40, 48)), Buffer.alloc(16));
  cipher.setAutoPadding(false);
  return cipher.update(packed.subarray(0, 32));
}

/** Algorithm 2.B for the empty password. Ends after 64 rounds and as many more as the last octet asks for, 288 at most. */
function hardened(salt: Buffer): Buffer {
  let key: Buffer = createHash("sha256").update(salt).digest();
  for (let round = 0, last = 0; round < 64 || last > round - 32; round++) {
    const cipher = createCipheriv("aes-128-cbc", key.subarray(0, 16), key.subarray(16, 32));
    cipher.setAutoPadding(false);
    const mixed = cipher.update(Buffer.concat(new Array<Buffer>(64).fill(key)));
    let rest = 0;
    for (const octet of mixed.subarray(0, 16)) rest += octet;
    key = createHash(["sha256", "sha384", "sha512"][rest % 3]!)
      .update(mixed)
      .digest();
    last = mixed.at(-1)!;
  }
  return key.subarray(0, 32);
}
