// Encoded words (RFC 2047) as the widely used readers take them: anywhere in a text, with spaces inside, with a
// character split between two words. Used for file names and for what is shown of Subject and From.
import { decodeCharset } from "./charset.ts";

interface Word {
  readonly charset: string;
  readonly octets: Buffer;
  readonly end: number;
}

/** The text with all encoded words decoded; text without any comes back as it is. Linear time, never throws. */
export function decodeWords(text: string): string {
  let at = text.indexOf("=?");
  if (at < 0) return text;
  // One look-up says whether any word can end at all: without it "=?a?q?" repeated would cost quadratic time.
  const lastEnd = text.lastIndexOf("?=");
  let out = "";
  let done = 0;
  while (at >= 0 && at < lastEnd) {
    const run = readRun(text, at, lastEnd);
    if (run === null) {
      at = text.indexOf("=?", at + 2);
      continue;
    }
    out += text.slice(done, at) + run.decoded;
    done = run.end;
    at = text.indexOf("=?", done);
  }
  return out + text.slice(done);
}

/** Adjacent words, white space between them dropped; octets of one charset are joined before they are decoded. */
function readRun(
  text: string,
  from: number,
  lastEnd: number,
): { decoded: string; end: number } | null {
  let word = readWord(text, from, lastEnd);
  if (word === null) return null;
  let decoded = "";
  let charset = word.charset;
  let pending = [word.octets];
  let end = word.end;
  for (;;) {
    let next = end;
    while (next < text.length && /\s/.test(text.charAt(next))) next++;
    word = text.startsWith("=?", next) ? readWord(text, next, lastEnd) : null;
    if (word === null || word.charset !== charset) {
      decoded += decodeCharset(
        pending.length === 1 ? pending[0]! : Buffer.concat(pending),
        charset,
      );
      if (word === null) return { decoded, end };
      charset = word.charset;
      pending = [];
    }
    pending.push(word.octets);
    end = word.end;
  }
}

function readWord(text: string, from: number, lastEnd: number): Word | null {
  const mark = text.indexOf("?", from + 2);
  if (mark < 0 || mark > from + 66 || mark === from + 2) return null;
  const encoding = text.charAt(mark + 1).toLowerCase();
  if ((encoding !== "b" && encoding !== "q") || text.charAt(mark + 2) !== "?") return null;
  const start = mark + 3;
  if (start > lastEnd) return null;
  const stop = text.indexOf("?=", start);
  const coded = text.slice(start, stop);
  // RFC 2231 5: a language may follow the charset.
  const charset = text
    .slice(from + 2, mark)
    .split("*", 1)[0]!
    .toLowerCase();
  const octets = encoding === "b" ? decodeB(coded) : decodeQ(coded);
  return { charset, octets, end: stop + 2 };
}

function decodeB(coded: string): Buffer {
  return Buffer.from(coded.replace(/[^A-Za-z0-9+/]/g, ""), "base64");
}

function decodeQ(coded: string): Buffer {
  const plain = coded
    .replace(/_/g, " ")
    .replace(/=([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  // A raw character above U+00FF is not Q encoding at all; keep its UTF-8 octets.
  return Buffer.from(plain, /[^\x00-\xff]/.test(plain) ? "utf8" : "latin1");
}
