// gzip (RFC 1952): one file, in one or several members that readers join. Unpacked by node:zlib, a little input at a time, so that what a
// few octets swell to is bounded; the frame around the deflate data is read here. At damage node:zlib drops what it just unpacked: then
// our own inflate.ts gives the rest.
import { constants, crc32, createInflateRaw, type InflateRaw } from "node:zlib";
import { Broken, type Format, type Member, type Report } from "./format.ts";
import { Inflate } from "./inflate.ts";
import { pieces, octetsWithin, type Octets } from "./octets.ts";

/** Octets of a header with its texts; names are not longer. */
const MAX_HEADER = 64 * 1024;
/** Octets of input at once: deflate swells them to a thousand times as many at most. */
const INPUT = 16 * 1024;
const OUTPUT = 64 * 1024;
const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;

export const gzip: Format = {
  name: "gzip",
  kinds: ["gz"],
  suffixes: {
    gz: "",
    gzip: "",
    z: "",
    tgz: "tar",
    taz: "tar",
    svgz: "svg",
    emz: "emf",
    wmz: "wmf",
  },
  *members(file, report) {
    const head = headerAt(file, 0);
    if (head === null) throw new Broken("no gzip header");
    const member: Member = {
      names: head.name === "" ? [] : [head.name],
      what: "file",
      octets: () => unpacked(file, head, report),
    };
    yield member;
  },
};

interface Head {
  /** Where the deflate data start. */
  readonly data: number;
  /** As it stands, UTF-8 if valid, else Latin-1; "" when there is none. */
  readonly name: string;
}

/** The header of a member; null when there is none, or of a method that nobody uses. */
function headerAt(file: Octets, at: number): Head | null {
  const head = file.read(at, MAX_HEADER);
  if (head.length < 10 || head[0] !== 0x1f || head[1] !== 0x8b || head[2] !== 8) return null;
  const flags = head[3]!;
  let next = 10;
  if ((flags & FEXTRA) !== 0) {
    if (next + 2 > head.length) return null;
    next += 2 + head.readUInt16LE(next);
  }
  let name = "";
  for (const text of [FNAME, FCOMMENT]) {
    if ((flags & text) === 0) continue;
    const end = head.indexOf(0, next);
    if (end < 0) return null;
    if (text === FNAME) name = decoded(head.subarray(next, end));
    next = end + 1;
  }
  if ((flags & FHCRC) !== 0) next += 2;
  return { data: at + next, name };
}

function decoded(octets: Buffer): string {
  const text = octets.toString("utf8");
  return text.includes("\ufffd") ? octets.toString("latin1") : text;
}

/** The octets of all members, one after the other. */
async function* unpacked(file: Octets, first: Head, report: Report): AsyncGenerator<Buffer> {
  for (let head: Head | null = first; head !== null;) {
    const end: { at: number } = { at: 0 };
    yield* inflated(file, head.data, end);
    head = headerAt(file, end.at);
    if (head !== null || end.at >= file.size) continue;
    if (onlyZeros(octetsWithin(file, end.at, file.size - end.at))) continue;
    report.defect("container-trailing-data", `${file.size - end.at} octets after the gzip data`);
  }
}

/** The octets of one member; `end.at` is then where it ends. Throws Broken behind what could be read. */
async function* inflated(file: Octets, data: number, end: { at: number }): AsyncGenerator<Buffer> {
  let crc = 0;
  let size = 0;
  const deflated = { end: data };
  for await (const octets of deflatedAt(file, data, deflated)) {
    crc = crc32(octets, crc);
    size += octets.length;
    yield octets;
  }
  const trailer = file.read(deflated.end, 8);
  end.at = deflated.end + 8;
  if (trailer.length < 8) throw new Broken("the gzip data end early");
  if (trailer.readUInt32LE(0) !== crc) throw new Broken("the gzip checksum differs");
  if (trailer.readUInt32LE(4) !== size % 2 ** 32) throw new Broken("the gzip size differs");
}

/** What the deflate data at `data` hold; `state.end` is then where they end. */
async function* deflatedAt(
  file: Octets,
  data: number,
  state: { end: number },
): AsyncGenerator<Buffer> {
  const inflating = new Inflating();
  let given = 0;
  try {
    let fed = 0;
    for (const input of pieces(octetsWithin(file, data, file.size - data), INPUT)) {
      fed += input.length;
      const sound = await inflating.feed(input);
      for (const octets of inflating.taken()) {
        given += octets.length;
        yield octets;
      }
      if (!sound) {
        yield* restOf(new Inflate(file, data), given, state);
        return;
      }
      state.end = data + inflating.used;
      if (inflating.used < fed) return;
    }
  } finally {
    inflating.close();
  }
}

/** What lies behind the first `given` octets. */
function* restOf(inflate: Inflate, given: number, state: { end: number }): Generator<Buffer> {
  let at = 0;
  for (const octets of inflate.pieces()) {
    const rest = octets.subarray(Math.max(0, given - at));
    at += octets.length;
    if (rest.length > 0) yield rest;
  }
  state.end = inflate.position;
}

/** A stream of node:zlib, driven a piece at a time. */
class Inflating {
  readonly #stream: InflateRaw;
  #out: Buffer[] = [];
  #sound = true;
  #heard: () => void = () => {};

  constructor() {
    this.#stream = createInflateRaw({ chunkSize: OUTPUT, finishFlush: constants.Z_SYNC_FLUSH });
    this.#stream.on("data", (octets: Buffer) => this.#out.push(octets));
    this.#stream.on("error", () => {
      this.#sound = false;
      this.#heard();
    });
  }

  /** Octets of input that belong to the deflate data. */
  get used(): number {
    return this.#stream.bytesWritten;
  }

  /** Resolves when all that these octets give can be taken(); false when they are damaged: then some of it is missing. */
  async feed(input: Buffer): Promise<boolean> {
    await new Promise<void>((resolve) => {
      this.#heard = resolve;
      this.#stream.write(input, () => resolve());
    });
    return this.#sound;
  }

  taken(): readonly Buffer[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  close(): void {
    this.#stream.destroy();
  }
}

function onlyZeros(rest: Octets): boolean {
  for (const piece of pieces(rest)) if (piece.some((octet) => octet !== 0)) return false;
  return true;
}
