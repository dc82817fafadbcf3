// Texts whose octets hide what is shown: UTF-7 (RFC 2152), UTF-16, UTF-32, by declaration or by a byte order mark. Says which parts
// are such texts, and turns them into UTF-8 for those who look at octets. Used by tree-walk.ts and readings.ts.
import { TextDecoder } from "node:util";
import type { Entity } from "../mail/entity.ts";

/** True for a leaf that mail programs show as text. */
export function isText(entity: Entity): boolean {
  return entity.structure === "leaf" && entity.type.startsWith("text/");
}

const WIDE =
  /^(?:x-|cs)?(?:unicode-[12]-[01]-)?(?:utf-?(?:7|16|32)|ucs-?[24]|iso-10646-ucs-[24]|unicode)/;

/** The declared charset of a text in lower case when it is a wide one, else null. */
export function wideCharset(entity: Entity): string | null {
  for (const { parameters } of entity.declared) {
    for (const value of parameters.get("charset") ?? []) {
      const label = value.trim().toLowerCase();
      if (WIDE.test(label)) return label;
    }
  }
  return null;
}

/** True when the text starts with a byte order mark of UTF-16 or UTF-32. */
export function hasWideMark(start: Buffer): boolean {
  const mark = start.length >= 2 ? start.readUInt16BE(0) : 0;
  if (mark === 0xfffe || mark === 0xfeff) return true;
  return start.length >= 4 && start.readUInt32BE(0) === 0x0000feff;
}

/** Turns the octets of a text into UTF-8, chunk by chunk. */
export interface Transcoder {
  write(octets: Buffer): Buffer;
  end(): Buffer;
}

/**
 * A transcoder for a text whose declared charset is `label` ("" when it is not a wide one); which octet of a unit comes first is seen
 * from the octets. Never throws; of what is no character U+FFFD remains.
 */
export function transcoder(label: string): Transcoder {
  if (/utf-?7/.test(label)) return fromUtf7();
  let inner: Transcoder | null = null;
  return {
    write(octets) {
      inner ??= unitsOf(label, octets);
      return inner.write(octets);
    },
    end: () => inner?.end() ?? Buffer.alloc(0),
  };
}

function unitsOf(label: string, start: Buffer): Transcoder {
  const four = /32|ucs-?4/.test(label) || (start.length >= 4 && isMark32(start));
  if (four) return fromUtf32(start[0] === 0);
  const mark = start.length >= 2 ? start.readUInt16BE(0) : 0;
  const zerosFirst = start.length >= 2 && start[0] === 0 && start[1] !== 0;
  const bigEndian = mark === 0xfeff || (mark !== 0xfffe && (zerosFirst || label.endsWith("be")));
  const decoder = new TextDecoder(bigEndian ? "utf-16be" : "utf-16le");
  return {
    write: (octets) => Buffer.from(decoder.decode(octets, { stream: true })),
    end: () => Buffer.from(decoder.decode()),
  };
}

function isMark32(start: Buffer): boolean {
  const first = start.readUInt32BE(0);
  return first === 0x0000feff || first === 0xfffe0000;
}

function fromUtf32(bigEndian: boolean): Transcoder {
  let held: Buffer = Buffer.alloc(0);
  return {
    write(octets) {
      const bytes = Buffer.concat([held, octets]);
      const end = bytes.length & ~3;
      let text = "";
      for (let at = 0; at < end; at += 4) {
        const point = bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
        const valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        if (point !== 0xfeff) text += valid ? String.fromCodePoint(point) : "\ufffd";
      }
      held = Buffer.from(bytes.subarray(end));
      return Buffer.from(text);
    },
    end: () => Buffer.alloc(0),
  };
}

const BASE64 = new Uint8Array(256).fill(64);
for (const [i, char] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries())
  BASE64[char.charCodeAt(0)] = i;

const PLUS = 0x2b;
const MINUS = 0x2d;

function fromUtf7(): Transcoder {
  let shifted = false;
  let fresh = false;
  let bits = 0;
  let count = 0;
  // A pair of surrogates may lie in two chunks.
  let high = "";
  return {
    write(octets) {
      let text = high;
      high = "";
      for (const octet of octets) {
        const six = shifted ? BASE64[octet]! : 64;
        if (six < 64) {
          fresh = false;
          bits = ((bits << 6) | six) & 0x3fffff;
          count += 6;
          if (count < 16) continue;
          count -= 16;
          text += String.fromCharCode((bits >> count) & 0xffff);
        } else if (shifted) {
          shifted = false;
          if (octet === MINUS) text += fresh ? "+" : "";
          else text += String.fromCharCode(octet);
        } else if (octet === PLUS) {
          shifted = fresh = true;
          bits = count = 0;
        } else text += String.fromCharCode(octet);
      }
      const last = text.charCodeAt(text.length - 1);
      if (last >= 0xd800 && last < 0xdc00) {
        high = text.slice(-1);
        text = text.slice(0, -1);
      }
      return Buffer.from(text);
    },
    end: () => Buffer.from(high),
  };
}
