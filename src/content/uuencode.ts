// Uuencoded files (POSIX uuencode, with its base64 form) and xxencoded ones, which differ in their alphabet only. An encoding for
// text-files.ts.
import { decoder, type Decoder } from "../mail/transfer.ts";
import { gatherer, type Gatherer } from "./small-pieces.ts";
import type { OpenFile, TextEncoding, TextFileSink } from "./text-files.ts";

/** Outlook takes two spaces for a mode. */
const BEGIN = /^begin(-base64(?:-encoded)?)?(?:[ \t]+([0-7]{3,6})[ \t]+| {2,})(\S.*)$/s;

export const uuencoded: TextEncoding = {
  mark: "begin",
  open(line, sink) {
    const match = BEGIN.exec(line);
    if (match === null) return null;
    const name = Buffer.from(match[3]!, "latin1").toString("utf8").trimEnd();
    return new UuFile(name, match[1] !== undefined, match[2] !== undefined, sink);
  },
};

/** Six-bit values of the two alphabets; 64 = none. */
const UU = new Uint8Array(256).fill(64);
for (let i = 0x20; i <= 0x60; i++) UU[i] = (i - 32) & 63;
const XX = new Uint8Array(256).fill(64);
for (const [i, char] of [
  ..."+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
].entries())
  XX[char.charCodeAt(0)] = i;

class UuFile implements OpenFile {
  readonly #name: string;
  /** Set for the base64 form. */
  readonly #base64: Decoder | null;
  /** True when the begin line bears a mode; without one only flawless data are believed. */
  readonly #mode: boolean;
  readonly #sink: TextFileSink;
  readonly #out: Gatherer;
  /** Null until the first line showed it. */
  #alphabet: Uint8Array | null = null;
  #begun = false;
  #complete = false;

  constructor(name: string, base64: boolean, mode: boolean, sink: TextFileSink) {
    this.#name = name;
    this.#base64 = base64 ? decoder("base64") : null;
    this.#mode = mode;
    this.#sink = sink;
    this.#out = gatherer((octets) => sink.data(octets));
  }

  take(line: Buffer, whole: boolean): "more" | "over" | "done" {
    const fits = whole && (this.#base64 === null ? this.#fits(line) : isBase64Line(line));
    if (!this.#begun) {
      if (!fits) return "over";
      this.#begun = true;
      this.#sink.begin(this.#name);
    }
    if (this.#isEnd(line)) {
      this.#complete = true;
      return "done";
    }
    if (!fits) return "over";
    if (this.#base64 === null) this.#decodeLine(line, this.#alphabet!);
    else this.#out.push(this.#base64.write(line));
    return "more";
  }

  flush(): void {
    this.#out.flush();
  }

  end(): void {
    this.#out.flush();
    if (this.#begun) this.#sink.end(this.#complete ? null : "uuencode-truncated");
  }

  #isEnd(line: Buffer): boolean {
    if (this.#base64 !== null) return line.toString("latin1").trimEnd() === "====";
    return line.length <= 8 && line.toString("latin1").trimEnd() === "end";
  }

  /** True when the line is data, or the end; the first one decides the alphabet. */
  #fits(line: Buffer): boolean {
    if (line.length === 3 && line.toString("latin1") === "end") {
      this.#alphabet ??= UU;
      return this.#begun || this.#mode;
    }
    if (this.#alphabet !== null) return isDataLine(line, this.#alphabet, false);
    for (const alphabet of [UU, XX])
      if (isDataLine(line, alphabet, true)) this.#alphabet = alphabet;
    if (this.#alphabet === null && this.#mode && isDataLine(line, UU, false)) this.#alphabet = UU;
    return this.#alphabet !== null;
  }

  #decodeLine(line: Buffer, alphabet: Uint8Array): void {
    const count = alphabet[line[0]!]!;
    const { out, at } = this.#out.room(count + 3);
    let length = at;
    // Characters at the end of a line may have been lost on the way, if they were spaces: they are zeros.
    const six = (i: number): number => (i < line.length ? alphabet[line[i]!]! & 63 : 0);
    for (let i = 1, left = count; left > 0; i += 4, left -= 3) {
      const bits = (six(i) << 18) | (six(i + 1) << 12) | (six(i + 2) << 6) | six(i + 3);
      out[length++] = bits >> 16;
      if (left > 1) out[length++] = bits >> 8;
      if (left > 2) out[length++] = bits;
    }
    this.#out.took(length - at);
  }
}

/** `strict`: of exactly the length that its first character tells. */
function isDataLine(line: Buffer, alphabet: Uint8Array, strict: boolean): boolean {
  if (line.length === 0) return false;
  for (const octet of line) if (alphabet[octet] === 64) return false;
  const count = alphabet[line[0]!]!;
  const needed = Math.ceil(count / 3) * 4;
  if (strict) return line.length - 1 === needed;
  // Some encoders add a check character; some carriers strip spaces.
  return line.length - 1 <= needed + 2 && line.length - 1 >= Math.floor(needed / 2);
}

function isBase64Line(line: Buffer): boolean {
  return line.length > 0 && /^[A-Za-z0-9+/]*={0,4}\s*$/.test(line.toString("latin1"));
}
