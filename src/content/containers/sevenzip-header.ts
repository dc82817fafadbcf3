// Reads the directory at the end of a 7z file (7zFormat.txt of the LZMA SDK): names, which entries have octets, and which of them are
// encrypted. It is mostly LZMA compressed itself. Used by sevenzip.ts.
import { Broken } from "./format.ts";
import { lzmaStream } from "./lzma-files.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { bitsIn, Fields, ID } from "./sevenzip-fields.ts";
import { streamsOf } from "./sevenzip-streams.ts";
import type { Folder, Streams } from "./sevenzip-streams.ts";

const START = 32;
const MAX_HEADER = 32 * 1024 * 1024;
/** A packed header may unpack to another one. */
const MAX_NESTING = 4;
const LZMA = "030101";

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
    if (id === ID.header) return filesOf(reader);
    if (id !== ID.encodedHeader) throw new Broken("7z: no directory");
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
    if (id === ID.archiveProperties) skipProperties(reader);
    else if (id === ID.additionalStreams) streamsOf(reader);
    else if (id === ID.mainStreams) folders = streamsOf(reader).folders;
    else if (id === ID.files) return entriesOf(reader, folders);
    else if (id === ID.end)
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
  while (reader.number() !== ID.end) reader.take(reader.number());
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
    if (id === ID.end) return entries;
    const property = new Fields(reader.take(reader.number()));
    if (id === ID.names && property.octet() === 0) entries.nameAt = namesIn(property.rest());
    else if (id === ID.emptyStreams) entries.isEmptyStream = bitsIn(property.rest());
    else if (id === ID.emptyFiles) entries.isEmptyFile = bitsIn(property.rest());
  }
}

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
