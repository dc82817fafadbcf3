// Reads the directory at the end of a 7z file (7zFormat.txt of the LZMA SDK): names, which entries have octets, and which of them are
// encrypted. It is mostly LZMA compressed itself. Used by sevenzip.ts.
import { Broken } from "./format.ts";
import { lzmaStream } from "./lzma-files.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";

const START = 32;
const MAX_HEADER = 32 * 1024 * 1024;
/** A packed header may unpack to another one. */
const MAX_NESTING = 4;
const AES = "06f10701";
const LZMA = "030101";

/** Ids of properties. */
const END = 0x00;
const HEADER = 0x01;
const ARCHIVE_PROPERTIES = 0x02;
const ADDITIONAL_STREAMS = 0x03;
const MAIN_STREAMS = 0x04;
const FILES = 0x05;
const PACK = 0x06;
const UNPACK = 0x07;
const SUB_STREAMS = 0x08;
const SIZES = 0x09;
const CRCS = 0x0a;
const FOLDERS = 0x0b;
const UNPACK_SIZES = 0x0c;
const COUNTS = 0x0d;
const EMPTY_STREAMS = 0x0e;
const EMPTY_FILES = 0x0f;
const NAMES = 0x11;
const ENCODED_HEADER = 0x17;

interface Coder {
  /** Hex of its method. */
  readonly method: string;
  readonly properties: Buffer;
  readonly outputs: number;
}

/** Octets that were packed together. */
interface Folder {
  readonly coders: readonly Coder[];
  readonly sizes: number[];
  /** How many files lie in it. */
  files: number;
  /** Whether its check sum is known. */
  summed: boolean;
  readonly encrypted: boolean;
}

interface Streams {
  /** Where the packed octets begin, from the end of the start header. */
  readonly at: number;
  readonly packed: readonly number[];
  readonly folders: readonly Folder[];
}

export interface Directory {
  readonly folders: readonly Folder[];
  readonly count: number;
  readonly nameAt: (index: number) => string | null;
  readonly isEmptyStream: (index: number) => boolean;
  /** Of an entry without octets, by its index among those: true for a file, false for a directory. */
  readonly isEmptyFile: (index: number) => boolean;
}

/**
 * The directory; null for an archive without any entry; "encrypted" when even it opens only with a password. Throws Broken when it
 * is damaged or packed in a way that is not read here.
 */
export function directoryOf(file: Octets): Directory | "encrypted" | null {
  const start = file.read(0, START);
  if (start.length < START) throw new Broken("7z: ends early");
  const at = START + Number(start.readBigUInt64LE(12));
  const size = Number(start.readBigUInt64LE(20));
  if (size === 0) return null;
  if (size > MAX_HEADER) throw new Broken("7z: large directory", "container-too-large");
  let header = file.read(at, size);
  if (header.length < size) throw new Broken("7z: ends early");
  for (let nesting = 0; nesting < MAX_NESTING; nesting++) {
    const reader = new Fields(header);
    const id = reader.octet();
    if (id === HEADER) return filesOf(reader);
    if (id !== ENCODED_HEADER) throw new Broken("7z: no directory");
    const streams = streamsOf(reader);
    if (streams.folders.some((folder) => folder.encrypted)) return "encrypted";
    header = unpacked(file, streams);
  }
  throw new Broken("7z: nested directories");
}

/** The octets of a packed header. */
function unpacked(file: Octets, { at, packed, folders }: Streams): Buffer {
  const folder = folders[0];
  const coder = folder?.coders[0];
  const size = folder?.sizes[0] ?? 0;
  if (folders.length !== 1 || folder?.coders.length !== 1 || coder?.method !== LZMA)
    throw new Broken("7z: directory packed otherwise", "container-unsupported");
  if (size > MAX_HEADER) throw new Broken("7z: large directory", "container-too-large");
  const octets = octetsWithin(file, START + at, packed[0] ?? 0);
  return Buffer.concat([...lzmaStream(octets, coder.properties, 0, size)]);
}

/** Reads on behind the mark of a header. */
function filesOf(reader: Fields): Directory {
  let folders: readonly Folder[] = [];
  for (;;) {
    const id = reader.octet();
    if (id === ARCHIVE_PROPERTIES) skipProperties(reader);
    else if (id === ADDITIONAL_STREAMS) streamsOf(reader);
    else if (id === MAIN_STREAMS) folders = streamsOf(reader).folders;
    else if (id === FILES) return entriesOf(reader, folders);
    else if (id === END)
      return {
        folders,
        count: 0,
        nameAt: () => null,
        isEmptyStream: () => false,
        isEmptyFile: () => false,
      };
    else throw new Broken("7z: bad directory");
  }
}

function skipProperties(reader: Fields): void {
  while (reader.number() !== END) reader.take(reader.number());
}

function entriesOf(reader: Fields, folders: readonly Folder[]): Directory {
  const count = reader.number();
  const entries = {
    folders,
    count,
    nameAt: (_: number): string | null => null,
    isEmptyStream: (_: number): boolean => false,
    isEmptyFile: (_: number): boolean => false,
  };
  for (;;) {
    const id = reader.number();
    if (id === END) return entries;
    const property = new Fields(reader.take(reader.number()));
    if (id === NAMES && property.octet() === 0) entries.nameAt = namesIn(property.rest());
    else if (id === EMPTY_STREAMS) entries.isEmptyStream = bitsIn(property.rest());
    else if (id === EMPTY_FILES) entries.isEmptyFile = bitsIn(property.rest());
  }
}

const bitsIn =
  (octets: Buffer) =>
  (index: number): boolean =>
    ((octets[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;

/** Names in UTF-16 one behind the other, each with a NUL; asked for in order. */
function namesIn(octets: Buffer): (index: number) => string | null {
  const starts = [0];
  return (index) => {
    while (starts.length <= index + 1) {
      let end = starts[starts.length - 1]!;
      while (end + 1 < octets.length && octets.readUInt16LE(end) !== 0) end += 2;
      if (end + 1 >= octets.length) return null;
      starts.push(end + 2);
    }
    return octets.toString("utf16le", starts[index], starts[index + 1]! - 2);
  };
}

/** Reads on behind the mark of a stream's description, up to its end. */
function streamsOf(reader: Fields): Streams {
  let at = 0;
  let packed: readonly number[] = [];
  let folders: readonly Folder[] = [];
  for (;;) {
    const id = reader.octet();
    if (id === END) return { at, packed, folders };
    if (id === PACK) {
      at = reader.number();
      packed = packSizes(reader, reader.count());
    } else if (id === UNPACK) folders = foldersOf(reader);
    else if (id === SUB_STREAMS) readCounts(reader, folders);
    else throw new Broken("7z: bad streams");
  }
}

function packSizes(reader: Fields, count: number): number[] {
  let sizes: number[] = [];
  for (let id = reader.octet(); id !== END; id = reader.octet()) {
    if (id === SIZES) sizes = Array.from({ length: count }, () => reader.number());
    else if (id === CRCS) reader.digests(count);
    else throw new Broken("7z: bad pack sizes");
  }
  return sizes;
}

function foldersOf(reader: Fields): Folder[] {
  if (reader.octet() !== FOLDERS) throw new Broken("7z: no folders");
  const count = reader.count();
  if (reader.octet() !== 0) throw new Broken("7z: folders elsewhere", "container-unsupported");
  const folders = Array.from({ length: count }, () => folderOf(reader));
  for (let id = reader.octet(); id !== END; id = reader.octet()) {
    if (id === UNPACK_SIZES) {
      for (const folder of folders)
        for (const coder of folder.coders)
          for (let i = 0; i < coder.outputs; i++) folder.sizes.push(reader.number());
    } else if (id === CRCS) {
      const defined = reader.digests(count);
      for (const [i, folder] of folders.entries()) folder.summed = defined(i);
    } else throw new Broken("7z: bad folders");
  }
  return folders;
}

function folderOf(reader: Fields): Folder {
  const coders: Coder[] = [];
  let inputs = 0;
  let outputs = 0;
  for (let left = reader.count(); left > 0; left--) {
    const flags = reader.octet();
    const method = reader.take(flags & 15).toString("hex");
    const many = (flags & 0x10) !== 0;
    const ins = many ? reader.count() : 1;
    const outs = many ? reader.count() : 1;
    const properties = (flags & 0x20) !== 0 ? reader.take(reader.number()) : Buffer.alloc(0);
    coders.push({ method, properties, outputs: outs });
    inputs += ins;
    outputs += outs;
  }
  const bonds = outputs - 1;
  for (let i = 0; i < bonds; i++) {
    reader.number();
    reader.number();
  }
  const packed = inputs - bonds;
  if (packed > 1) for (let i = 0; i < packed; i++) reader.number();
  const encrypted = coders.some(({ method }) => method === AES);
  return { coders, sizes: [], files: 1, summed: false, encrypted };
}

/** Reads how many files each folder holds; their sizes and check sums are skipped. */
function readCounts(reader: Fields, folders: readonly Folder[]): void {
  for (;;) {
    const id = reader.octet();
    if (id === END) return;
    if (id === COUNTS) for (const folder of folders) folder.files = reader.number();
    else if (id === SIZES) {
      for (const folder of folders) for (let i = 1; i < folder.files; i++) reader.number();
    } else if (id === CRCS) {
      // A folder of one file may have its check sum already.
      let open = 0;
      for (const { files, summed } of folders) if (files !== 1 || !summed) open += files;
      reader.digests(open);
    } else throw new Broken("7z: bad counts");
  }
}

/** Reads a header from its start; throws Broken at its end. */
class Fields {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  octet(): number {
    const octet = this.#octets[this.#at++];
    if (octet === undefined) throw new Broken("7z: directory ends early");
    return octet;
  }

  take(length: number): Buffer {
    if (length > this.#octets.length - this.#at) throw new Broken("7z: directory ends early");
    this.#at += length;
    return this.#octets.subarray(this.#at - length, this.#at);
  }

  rest(): Buffer {
    return this.#octets.subarray(this.#at);
  }

  /** A number of one to nine octets: the ones at the start of the first tell how many follow. */
  number(): number {
    const first = this.octet();
    let value = 0;
    for (let i = 0; i < 8; i++) {
      const mask = 0x80 >> i;
      if ((first & mask) === 0) return value + (first & (mask - 1)) * 256 ** i;
      value += this.octet() * 256 ** i;
    }
    return value;
  }

  /** A number of things of which each takes an octet at least. */
  count(): number {
    const count = this.number();
    if (count > this.#octets.length - this.#at) throw new Broken("7z: directory ends early");
    return count;
  }

  /** Skips the check sums of so many things; returns which of them have one. */
  digests(count: number): (index: number) => boolean {
    if (this.octet() !== 0) {
      this.take(count * 4);
      return () => true;
    }
    const defined = bitsIn(this.take(Math.ceil(count / 8)));
    let sums = 0;
    for (let i = 0; i < count; i++) if (defined(i)) sums++;
    this.take(sums * 4);
    return defined;
  }
}
