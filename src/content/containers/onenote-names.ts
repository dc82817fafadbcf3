// Names of the files in a OneNote section. The object that holds a file has none: a reference to it (MS-ONESTORE 2.5.21) gives its GUID,
// a declaration (2.5.27) gives GUID and extension, and the page's properties (MS-ONE 2.2.62) give full names. A name is taken for each
// file with the same extension; names that fit no file are taken for all: too many names rather than one too few. Used by onenote.ts.
import { indexIn } from "./cursor.ts";
import type { Octets } from "./octets.ts";

/** "<ifndf>{" in UTF-16: behind it GUID, "}", and the counted extension. */
const DECLARATION = Buffer.from("<ifndf>{", "utf16le");
const GUID_LENGTH = 36;
/** EmbeddedFileName, a property with a counted value. */
const FILE_NAME = Buffer.from("731d001c", "hex");
/** FileNode of a reference: its number in the low ten bits. */
const REFERENCE = 0x94;
const WINDOW = 64 * 1024;
/** Octets of the longest reference: its head, place, length, GUID. */
const MAX_NODE = 36;
const MAX_FOUND = 1_500;
const MAX_NAME = 1_024;
const MAX_PROPERTIES = 64;
const PLACE_SIZES = [8, 4, 2, 4] as const;
const LENGTH_SIZES = [4, 8, 1, 2] as const;

/** A function from an object's place to the names that its file may have. */
export function embeddedNames(file: Octets): (object: number) => readonly string[] {
  const declared = new Map<string, string>();
  for (const at of marks(file, DECLARATION)) {
    const start = at + DECLARATION.length;
    const guid = file.read(start, GUID_LENGTH * 2).toString("utf16le");
    const extension = counted(file, start + GUID_LENGTH * 2 + 2, 2).toLowerCase();
    if (/^[0-9a-f-]{36}$/i.test(guid) && /^\.[^\0]{1,32}$/.test(extension))
      declared.set(guidOctets(guid).toString("hex"), extension);
  }
  const extensions = declared.size === 0 ? new Map<number, string>() : references(file, declared);
  const known = new Set(declared.values());
  const names = [...new Set(fileNames(file))];
  const loose = names.filter((name) => !known.has(extensionOf(name)));
  return (object) => {
    const extension = extensions.get(object);
    if (extension === undefined) return names;
    const own = names.filter((name) => extensionOf(name) === extension);
    return [...(own.length > 0 ? own : [`embedded${extension}`]), ...loose];
  };
}

function* marks(file: Octets, mark: Buffer): Generator<number> {
  let found = 0;
  for (let at = indexIn(file, mark); at >= 0; at = indexIn(file, mark, at + mark.length)) {
    if (++found > MAX_FOUND) return;
    yield at;
  }
}

/** A text with its length before it: in characters (`unit` 2) or in octets (1); "" for none. */
function counted(file: Octets, at: number, unit: 1 | 2): string {
  const length = file.read(at, 4);
  const octets = length.length === 4 ? length.readUInt32LE(0) * unit : 0;
  if (octets === 0 || octets > 2 * MAX_NAME) return "";
  return file
    .read(at + 4, octets & ~1)
    .toString("utf16le")
    .replace(/\0[^]*$/, "");
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot).toLowerCase();
}

/** What is declared for the GUIDs of references, by the places of the objects that they point to. One pass. */
function references(file: Octets, declared: ReadonlyMap<string, string>): Map<number, string> {
  const found = new Map<number, string>();
  const starts = new Set<number>();
  for (const guid of declared.keys()) starts.add(Buffer.from(guid, "hex").readUInt32LE(0));
  for (let base = 0; base < file.size; base += WINDOW) {
    const window = file.read(base, WINDOW + MAX_NODE);
    for (let at = window.indexOf(REFERENCE); at >= 0; at = window.indexOf(REFERENCE, at + 1)) {
      if (at >= WINDOW || at + 4 > window.length) break;
      const node = window.readUInt32LE(at);
      if ((node & 0x3ff) !== REFERENCE) continue;
      const form = (node >>> 23) & 15;
      const place = PLACE_SIZES[form & 3]!;
      const guid = at + 4 + place + LENGTH_SIZES[form >> 2]!;
      if (guid + 16 > window.length || !starts.has(window.readUInt32LE(guid))) continue;
      const extension = declared.get(window.toString("hex", guid, guid + 16));
      if (extension === undefined) continue;
      const start = at + 4;
      const number =
        place === 8 ? Number(window.readBigUInt64LE(start)) : window.readUIntLE(start, place);
      // The short forms count in units of eight octets.
      found.set((form & 3) > 1 ? number * 8 : number, extension);
    }
  }
  return found;
}

/** As GUIDs lie in files: the first three groups in reverse. */
function guidOctets(guid: string): Buffer {
  const octets = Buffer.from(guid.replaceAll("-", ""), "hex");
  octets.subarray(0, 4).reverse();
  octets.subarray(4, 6).reverse();
  octets.subarray(6, 8).reverse();
  return octets;
}

/** Full names from property sets: a count, the properties' identifiers, then their values in the same order. */
function* fileNames(file: Octets): Generator<string> {
  for (const at of marks(file, FILE_NAME)) {
    const start = Math.max(0, at - 4 * MAX_PROPERTIES - 2);
    const before = file.read(start, at - start);
    for (let index = 0; index < MAX_PROPERTIES; index++) {
      const countAt = before.length - 4 * index - 2;
      if (countAt < 0) break;
      const count = before.readUInt16LE(countAt);
      if (count <= index || count > MAX_PROPERTIES) continue;
      const place = valueAt(file, start + countAt + 2, index, at + 4 * (count - index));
      const name = place === null ? "" : counted(file, place, 1);
      if (name !== "") {
        yield name;
        break;
      }
    }
  }
}

/** Octets of values by type; the types of references have theirs elsewhere; counted ones are null (MS-ONESTORE 2.6.6). */
const SIZES: Readonly<Record<number, number | null>> = {
  1: 0,
  2: 0,
  3: 1,
  4: 2,
  5: 4,
  6: 8,
  7: null,
  8: 0,
  9: 4,
  10: 0,
  11: 4,
  12: 0,
  13: 4,
};

/** Where the value of the `index`th property stands; null when one before it makes no sense. */
function valueAt(file: Octets, identifiers: number, index: number, values: number): number | null {
  let at = values;
  for (let i = 0; i < index; i++) {
    const identifier = file.read(identifiers + 4 * i, 4);
    if (identifier.length < 4) return null;
    const size = SIZES[(identifier.readUInt32LE(0) >>> 26) & 31];
    if (size === undefined) return null;
    const length = size === null ? file.read(at, 4) : null;
    if (length !== null && length.length < 4) return null;
    at += length === null ? size! : 4 + length.readUInt32LE(0);
  }
  return at;
}
