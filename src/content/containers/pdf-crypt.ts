// The standard encryption of PDF (ISO 32000-1 7.6, ISO 32000-2 7.6) for documents that open without asking: those whose user password is
// empty, which only keep printing or copying from the reader. Revisions 2 to 6. Used by pdf.ts.
import { createDecipheriv, createHash } from "node:crypto";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { aesKey, oldKey } from "./pdf-keys.ts";
import { forward } from "./pdf-filters.ts";
import { rc4 } from "./rc4.ts";
import type { Place } from "./pdf-scan.ts";
import { isDict, isName, nameOf } from "./pdf-values.ts";
import type { Dict } from "./pdf-values.ts";

export interface PdfCipher {
  /** The octets of a stream in the clear. */
  open(raw: Octets, place: Place, dict: Dict): Octets;
  /** A string in the clear. */
  text(octets: Buffer, place: Place): Buffer;
}

type Method = "RC4" | "AES" | "AES256" | "none";
const METHODS: Readonly<Record<string, Method>> = {
  V2: "RC4",
  AESV2: "AES",
  AESV3: "AES256",
  None: "none",
};

/** Null when a password is needed, or when the method is not known. */
export function pdfCipher(encrypt: Dict, id: Buffer): PdfCipher | null {
  if (!isName(encrypt.get("Filter"), "Standard")) return null;
  const version = encrypt.get("V");
  const key = version === 5 ? aesKey(encrypt) : oldKey(encrypt, id);
  if (key === null) return null;
  const methodOf = (use: string): Method => {
    if (version !== 4 && version !== 5) return "RC4";
    const name = nameOf(encrypt.get(use)) ?? "Identity";
    const filters = encrypt.get("CF");
    const filter = isDict(filters) ? filters.get(name) : undefined;
    if (name === "Identity" || !isDict(filter)) return "none";
    return METHODS[nameOf(filter.get("CFM")) ?? ""] ?? "none";
  };
  const streams = methodOf("StmF");
  const files = encrypt.has("EFF") ? methodOf("EFF") : streams;
  const strings = methodOf("StrF");
  return {
    open(raw, place, dict) {
      if (isName(dict.get("Type"), "XRef") || hasOwnFilter(dict)) return raw;
      const method = isName(dict.get("Type"), "EmbeddedFile") ? files : streams;
      return method === "none" ? raw : forward(clear(raw, method, objectKey(key, method, place)));
    },
    text(octets, place) {
      if (strings === "none") return octets;
      const source = {
        size: octets.length,
        read: (at: number, n: number) => octets.subarray(at, at + n),
      };
      return Buffer.concat([...clear(source, strings, objectKey(key, strings, place))]);
    },
  };
}

/** A stream that names its own method names "Identity" in practice. */
function hasOwnFilter(dict: Dict): boolean {
  const filter = dict.get("Filter");
  return isName(Array.isArray(filter) ? filter[0] : filter, "Crypt");
}

/** ISO 32000-1, algorithm 1. */
function objectKey(key: Buffer, method: Method, { number, generation }: Place): Buffer {
  if (method === "AES256") return key;
  const numbers = Buffer.from([number, number >> 8, number >> 16, generation, generation >> 8]);
  const salt = method === "AES" ? "sAlT" : "";
  const hash = createHash("md5").update(key).update(numbers).update(salt).digest();
  return hash.subarray(0, Math.min(16, key.length + 5));
}

function* clear(raw: Octets, method: Method, key: Buffer): Generator<Buffer> {
  if (method === "RC4") {
    const stream = rc4(key);
    for (const piece of pieces(raw)) yield stream(piece);
    return;
  }
  const iv = raw.read(0, 16);
  if (iv.length < 16) return;
  const cipher = createDecipheriv(key.length === 32 ? "aes-256-cbc" : "aes-128-cbc", key, iv);
  cipher.setAutoPadding(false);
  let held: Buffer | null = null;
  for (const piece of pieces(octetsWithin(raw, 16, raw.size))) {
    if (held !== null && held.length > 0) yield held;
    held = cipher.update(piece);
  }
  // The last octet says how many are padding.
  const padding = held?.at(-1) ?? 0;
  if (held !== null) yield padding >= 1 && padding <= 16 ? held.subarray(0, -padding) : held;
}
