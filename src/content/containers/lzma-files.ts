// Files that hold one LZMA stream: .lzma (LZMA_Alone: properties, dictionary, size) and lzip (.lz: members one behind the other, each
// with a trailer). Also the LZMA of zip files and of 7z headers.
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import { propertiesOf } from "./lzma-model.ts";
import { LzmaDecoder } from "./lzma.ts";
import type { Octets } from "./octets.ts";

const ALONE_HEADER = 13;
const LZIP_HEADER = 6;
const LZIP_TRAILER = 20;
const MAX_MEMBERS = 4096;

export const lzma: Format = {
  name: "lzma",
  kinds: ["lzma"],
  extensions: ["lzma", "tlz"],
  suffixes: { lzma: "", tlz: "tar" },
  *members(file) {
    const header = file.read(0, ALONE_HEADER);
    if (header.length < ALONE_HEADER || propertiesOf(header[0]!) === null)
      throw new Broken("lzma: no header");
    yield { names: [], what: "file", octets: () => lzmaOctets(file) };
  },
};

export const lzip: Format = {
  name: "lzip",
  kinds: ["lz"],
  suffixes: { lz: "", tlz: "tar" },
  *members(file, report) {
    const state = { end: 0 };
    yield { names: [], what: "file", octets: () => lzipOctets(file, state) };
    if (state.end > 0 && state.end < file.size) report.defect("container-trailing-data");
  },
};

/** The octets of an .lzma file. Throws Broken at the damage. */
export function* lzmaOctets(file: Octets): Generator<Buffer> {
  const header = file.read(0, ALONE_HEADER);
  if (header.length < ALONE_HEADER) throw new Broken("lzma: no header");
  const size = header.readBigUInt64LE(5);
  const length = size === 0xffffffffffffffffn ? Infinity : Number(size);
  yield* lzmaStream(file, header.subarray(0, 5), ALONE_HEADER, length);
}

/** The octets of an LZMA stream at `at` whose five octets of properties stand elsewhere. `length` Infinity: up to its end mark. */
export function* lzmaStream(
  file: Octets,
  five: Buffer,
  at: number,
  length: number,
): Generator<Buffer> {
  const properties = five.length < 5 ? null : propertiesOf(five[0]!);
  if (properties === null) throw new Broken("lzma: bad properties");
  const decoder = new LzmaDecoder(new Cursor(file, at), properties, five.readUInt32LE(1));
  decoder.start();
  yield* decoder.decode(length);
}

/** The octets of all members; `state.end` is set behind the last. Throws Broken at the damage. */
function* lzipOctets(file: Octets, state: { end: number }): Generator<Buffer> {
  for (let at = 0, members = 0; ; members++) {
    if (members === MAX_MEMBERS) throw new Broken("lzip: too many members", "container-too-large");
    const header = file.read(at, LZIP_HEADER);
    if (header.length < LZIP_HEADER || header.toString("latin1", 0, 4) !== "LZIP") {
      if (at === 0) throw new Broken("lzip: no header");
      state.end = at;
      return;
    }
    if (header[4] !== 1) throw new Broken(`lzip: version ${header[4]}`, "container-unsupported");
    // A power of two less some sixteenths of it.
    const base = 2 ** (header[5]! & 31);
    const dictionary = base - (base / 16) * (header[5]! >> 5);
    const input = new Cursor(file, at + LZIP_HEADER);
    const decoder = new LzmaDecoder(input, { lc: 3, lp: 0, pb: 2 }, dictionary);
    decoder.start();
    yield* decoder.decode(Infinity);
    at = input.at + LZIP_TRAILER;
    if (at > file.size) throw new Broken("lzip: ends early");
  }
}
