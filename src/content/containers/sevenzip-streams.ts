// How the octets of a 7z file are packed: folders of files that were packed together, by which coders, and which are encrypted. Used by
// sevenzip-header.ts.
import { Broken } from "./format.ts";
import { ID } from "./sevenzip-fields.ts";
import type { Fields } from "./sevenzip-fields.ts";

const AES = "06f10701";
/** Sizes of so many files are kept. */
const MAX_SIZES = 65_536;

export interface Coder {
  /** Hex of its method. */
  readonly method: string;
  readonly properties: Buffer;
  readonly outputs: number;
}

/** Octets that were packed together. */
export interface Folder {
  readonly coders: readonly Coder[];
  /** What each output of the coders gives. */
  readonly sizes: number[];
  /** Which of the outputs is what was packed. */
  readonly output: number;
  /** Sizes of its files but the last, as far as they are kept. */
  readonly fileSizes: number[];
  /** How many files lie in it. */
  files: number;
  /** Whether its check sum is known. */
  summed: boolean;
  readonly encrypted: boolean;
}

export interface Streams {
  /** Where the packed octets begin, from the end of the start header. */
  readonly at: number;
  readonly packed: readonly number[];
  readonly folders: readonly Folder[];
}

/** Reads on behind the mark of a stream's description, up to its end. */
export function streamsOf(reader: Fields): Streams {
  let at = 0;
  let packed: readonly number[] = [];
  let folders: readonly Folder[] = [];
  for (;;) {
    const id = reader.octet();
    if (id === ID.end) return { at, packed, folders };
    if (id === ID.pack) {
      at = reader.number();
      packed = packSizes(reader, reader.count());
    } else if (id === ID.unpack) folders = foldersOf(reader);
    else if (id === ID.subStreams) readCounts(reader, folders);
    else throw new Broken("7z: bad streams");
  }
}

function packSizes(reader: Fields, count: number): number[] {
  let sizes: number[] = [];
  for (let id = reader.octet(); id !== ID.end; id = reader.octet()) {
    if (id === ID.sizes) sizes = Array.from({ length: count }, () => reader.number());
    else if (id === ID.crcs) reader.digests(count);
    else throw new Broken("7z: bad pack sizes");
  }
  return sizes;
}

function foldersOf(reader: Fields): Folder[] {
  if (reader.octet() !== ID.folders) throw new Broken("7z: no folders");
  const count = reader.count();
  if (reader.octet() !== 0) throw new Broken("7z: folders elsewhere", "container-unsupported");
  const folders = Array.from({ length: count }, () => folderOf(reader));
  for (let id = reader.octet(); id !== ID.end; id = reader.octet()) {
    if (id === ID.unpackSizes) {
      for (const folder of folders)
        for (const coder of folder.coders)
          for (let i = 0; i < coder.outputs; i++) folder.sizes.push(reader.number());
    } else if (id === ID.crcs) {
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
  const bound = new Set<number>();
  for (let i = 0; i < bonds; i++) {
    reader.number();
    bound.add(reader.number());
  }
  let output = 0;
  while (bound.has(output)) output++;
  const packed = inputs - bonds;
  if (packed > 1) for (let i = 0; i < packed; i++) reader.number();
  const encrypted = coders.some(({ method }) => method === AES);
  return { coders, sizes: [], output, fileSizes: [], files: 1, summed: false, encrypted };
}

/** Reads how many files each folder holds; their sizes and check sums are skipped. */
function readCounts(reader: Fields, folders: readonly Folder[]): void {
  for (;;) {
    const id = reader.octet();
    if (id === ID.end) return;
    if (id === ID.counts) for (const folder of folders) folder.files = reader.number();
    else if (id === ID.sizes) {
      for (const { files, fileSizes } of folders)
        for (let i = 1; i < files; i++) {
          const size = reader.number();
          if (fileSizes.length < MAX_SIZES) fileSizes.push(size);
        }
    } else if (id === ID.crcs) {
      // A folder of one file may have its check sum already.
      let open = 0;
      for (const { files, summed } of folders) if (files !== 1 || !summed) open += files;
      reader.digests(open);
    } else throw new Broken("7z: bad counts");
  }
}

/** How large a folder's file of this number is; null when that is not known. */
export function sizeIn({ sizes, output, files, fileSizes }: Folder, index: number): number | null {
  if (index < files - 1) return fileSizes[index] ?? null;
  const all = sizes[output];
  if (all === undefined || fileSizes.length < files - 1) return null;
  return fileSizes.reduce((left, size) => left - size, all);
}
