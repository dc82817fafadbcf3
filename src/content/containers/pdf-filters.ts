// The filters of PDF streams (ISO 32000-1, 7.4), each from pieces to pieces: Flate and LZW with PNG predictors, ASCII85, ASCIIHex, run
// lengths. Pictures' filters are not undone. Used by pdf.ts.
import { Broken } from "./format.ts";
import { HEX } from "./hex.ts";
import { Inflate } from "./inflate.ts";
import type { Octets } from "./octets.ts";
import { lzwPieces } from "./pdf-lzw.ts";
import { isDict, nameOf } from "./pdf-values.ts";
import type { Dict, Value } from "./pdf-values.ts";

const MAX_FILTERS = 8;
const OUT = 16 * 1024;

type Filter = (from: Octets, parameters: Dict | undefined) => Iterable<Buffer>;

const flate: Filter = (from, parameters) => predicted(new Inflate(from, 2).pieces(), parameters);
const lzw: Filter = (from, parameters) =>
  predicted(lzwPieces(all(from), parameters?.get("EarlyChange") !== 0), parameters);

const FILTERS: Readonly<Record<string, Filter>> = {
  FlateDecode: flate,
  Fl: flate,
  LZWDecode: lzw,
  LZW: lzw,
  ASCIIHexDecode: (from) => hexPieces(from),
  AHx: (from) => hexPieces(from),
  ASCII85Decode: (from) => base85Pieces(from),
  A85: (from) => base85Pieces(from),
  RunLengthDecode: (from) => runPieces(from),
  RL: (from) => runPieces(from),
  Crypt: (from) => all(from),
};

/** A stream's octets as they were before its filters. Throws Broken for damage, and before all else for a filter that is not undone. */
export function unfiltered(from: Octets, dict: Dict): Iterable<Buffer> {
  const names = listOf(dict.get("Filter") ?? dict.get("F"));
  const parameters = listOf(dict.get("DecodeParms") ?? dict.get("DP"));
  if (names.length > MAX_FILTERS) throw new Broken("too many filters", "container-unsupported");
  let octets = from;
  names.forEach((value, i) => {
    const name = nameOf(value) ?? "?";
    const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name]! : null;
    if (filter === null) throw new Broken(`filter ${name}`, "container-unsupported");
    const parameter = parameters[i];
    octets = forward(filter(octets, isDict(parameter) ? parameter : undefined));
  });
  return all(octets);
}

function listOf(value: Value | undefined): readonly Value[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Pieces as octets that are read once, from the start on: what the filters need of each other. */
export function forward(from: Iterable<Buffer>): Octets {
  const source = from[Symbol.iterator]();
  let piece: Buffer = Buffer.alloc(0);
  let start = 0;
  return {
    size: Number.MAX_SAFE_INTEGER,
    read(at, length) {
      while (at >= start + piece.length) {
        const next = source.next();
        if (next.done === true) return Buffer.alloc(0);
        start += piece.length;
        piece = next.value;
      }
      return piece.subarray(at - start, at - start + length);
    },
  };
}

function* all(from: Octets): Generator<Buffer> {
  for (let at = 0; ;) {
    const piece = from.read(at, 64 * 1024);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}

/** Gathers single octets into pieces. */
class Gather {
  #out = Buffer.allocUnsafe(OUT);
  #length = 0;

  get full(): boolean {
    return this.#length >= OUT - 256;
  }

  put(octet: number): void {
    this.#out[this.#length++] = octet;
  }

  take(): Buffer {
    const taken = this.#out.subarray(0, this.#length);
    this.#out = Buffer.allocUnsafe(OUT);
    this.#length = 0;
    return taken;
  }
}

function* hexPieces(from: Octets): Generator<Buffer> {
  const out = new Gather();
  let half = -1;
  for (const piece of all(from)) {
    for (const octet of piece) {
      if (octet === 0x3e) {
        if (half >= 0) out.put(half << 4);
        yield out.take();
        return;
      }
      const digit = HEX[octet]!;
      if (digit < 0) continue;
      if (half < 0) half = digit;
      else {
        out.put((half << 4) | digit);
        half = -1;
        if (out.full) yield out.take();
      }
    }
  }
  yield out.take();
}

function* base85Pieces(from: Octets): Generator<Buffer> {
  const out = new Gather();
  let group = 0;
  let count = 0;
  const put = (value: number, octets: number): void => {
    for (let i = 0; i < octets; i++) out.put(Math.floor(value / 2 ** (24 - 8 * i)) & 0xff);
  };
  scan: for (const piece of all(from)) {
    for (const octet of piece) {
      if (octet === 0x7e) break scan;
      if (octet === 0x7a && count === 0) put(0, 4);
      if (octet < 0x21 || octet > 0x75) continue;
      group = group * 85 + octet - 0x21;
      if (++count === 5) {
        put(group, 4);
        group = count = 0;
      }
      if (out.full) yield out.take();
    }
  }
  if (count > 1) {
    const octets = count - 1;
    for (; count < 5; count++) group = group * 85 + 84;
    put(group, octets);
  }
  yield out.take();
}

function* runPieces(from: Octets): Generator<Buffer> {
  const out = new Gather();
  let copy = 0;
  let repeat = 0;
  for (const piece of all(from)) {
    for (const octet of piece) {
      if (copy > 0) {
        copy--;
        out.put(octet);
      } else if (repeat > 0) {
        for (; repeat > 0; repeat--) out.put(octet);
      } else if (octet < 128) copy = octet + 1;
      else if (octet > 128) repeat = 257 - octet;
      else {
        yield out.take();
        return;
      }
      if (out.full) yield out.take();
    }
  }
  yield out.take();
}

/** Undoes the PNG predictors (ISO 32000-1, 7.4.4.4), row by row. */
function predicted(from: Iterable<Buffer>, parameters: Dict | undefined): Iterable<Buffer> {
  const number = (key: string, otherwise: number): number => {
    const value = parameters?.get(key);
    return typeof value === "number" ? value : otherwise;
  };
  const predictor = number("Predictor", 1);
  if (predictor < 2) return from;
  const bits = number("Colors", 1) * number("BitsPerComponent", 8);
  const row = Math.ceil((bits * number("Columns", 1)) / 8);
  if (predictor === 2 || !(row > 0 && row <= 1024 * 1024) || !(bits > 0))
    throw new Broken("predictor", "container-unsupported");
  return rows(from, row, Math.max(1, bits >> 3));
}

function* rows(from: Iterable<Buffer>, width: number, step: number): Generator<Buffer> {
  let before = Buffer.alloc(width);
  let row = Buffer.alloc(width);
  let place = -1;
  let type = 0;
  for (const piece of from) {
    for (const octet of piece) {
      if (place < 0) type = octet;
      else
        row[place] =
          octet + guess(type, row[place - step] ?? 0, before[place]!, before[place - step] ?? 0);
      if (++place < width) continue;
      yield row;
      [before, row] = [row, Buffer.alloc(width)];
      place = -1;
    }
  }
  if (place > 0) yield row.subarray(0, place);
}

function guess(type: number, left: number, up: number, corner: number): number {
  if (type === 1) return left;
  if (type === 2) return up;
  if (type === 3) return (left + up) >> 1;
  if (type !== 4) return 0;
  const estimate = left + up - corner;
  const [a, b, c] = [left, up, corner].map((of) => Math.abs(estimate - of)) as [
    number,
    number,
    number,
  ];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
