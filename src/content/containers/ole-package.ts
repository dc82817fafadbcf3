// What "Insert object, from file" leaves in a document: the stream Ole10Native, which holds a file with its names (MS-OLEDS 2.3.6 and
// what the Packager writes into it), and the OLE 1.0 objects that RTF carries (MS-OLEDS 2.2). Used by ole.ts and rtf.ts.
import type { Member } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";

/** Names and paths are no longer; what is longer is no package. */
const MAX_NAME = 4_096;
/** Where the parts of an OLE 1.0 object's head end at the latest. */
const MAX_HEAD = 64 * 1024;
const COMPOUND = Buffer.from("d0cf11e0a1b11ae1", "hex");

/** The file in an Ole10Native stream; octets that are no package are given as they stand, without a name. */
export function nativeMember(stream: Octets): Member {
  return packageMember(octetsWithin(stream, 4, stream.size)) ?? wholeMember(stream, 4);
}

/** A member of all octets from `start`. */
export function wholeMember(
  from: Octets,
  start: number = 0,
  names: readonly string[] = [],
): Member {
  const octets = octetsWithin(from, start, from.size);
  return { names, what: "file", octets: () => pieces(octets) };
}

/** The file in a package (Ole10Native without its length); null when it is none. */
function packageMember(from: Octets): Member | null {
  const head = from.read(0, 2 * MAX_NAME + MAX_HEAD);
  if (head.length < 6 || head.readUInt16LE(0) !== 2) return null;
  const label = stringAt(head, 2);
  const file = label === null ? null : stringAt(head, label.end);
  if (label === null || file === null || file.end + 8 > head.length) return null;
  // A shortcut to a file elsewhere: what follows repeats its path, and is no longer than that.
  if (head.readUInt16LE(file.end + 2) === 1 && from.size - file.end <= MAX_NAME)
    return { names: namesOf([label.text, file.text]), what: "link" };
  const length = head.readUInt32LE(file.end + 4);
  const sizeAt = file.end + 8 + length;
  if (length > MAX_NAME || sizeAt > head.length) return null;
  const path = head.toString("latin1", file.end + 8, sizeAt).replace(/\0[^]*$/, "");
  if (sizeAt + 4 > head.length) return null;
  const size = head.readUInt32LE(sizeAt);
  const octets = octetsWithin(from, sizeAt + 4, size);
  // Behind the octets the path, the label and the file repeat as UTF-16: the names as they really are.
  const [widePath = "", wideLabel = "", wideFile = ""] = wideNames(from, sizeAt + 4 + size);
  const cut = { kind: "container-broken", detail: "a package is cut" } as const;
  return {
    names: namesOf([wideLabel, label.text, wideFile, file.text, widePath, path]),
    what: "file",
    ...(octets.size < size ? { defects: [cut] } : {}),
    octets: () => pieces(octets),
  };
}

function namesOf(names: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => name !== "");
}

function stringAt(head: Buffer, at: number): { text: string; end: number } | null {
  const end = head.indexOf(0, at);
  if (end < 0 || end - at > MAX_NAME) return null;
  return { text: head.toString("latin1", at, end), end: end + 1 };
}

function wideNames(from: Octets, at: number): string[] {
  const found: string[] = [];
  for (let i = 0; i < 3; i++) {
    const count = from.read(at, 4);
    const length = count.length === 4 ? count.readUInt32LE(0) : 0;
    if (length === 0 || length > MAX_NAME) break;
    found.push(
      from
        .read(at + 4, length * 2)
        .toString("utf16le")
        .replace(/\0[^]*$/, ""),
    );
    at += 4 + length * 2;
  }
  return found;
}

/** An OLE 1.0 object: what it holds, and whether it only points to a file elsewhere. Never throws; [] when there is nothing. */
export function oleObject(blob: Octets): { members: Member[]; linked: string | null } {
  const head = blob.read(0, MAX_HEAD);
  const parsed = objectHead(head);
  if (parsed === null) {
    // Readers forgive a broken head; the compound file in it is what they look for.
    const found = head.indexOf(COMPOUND);
    return {
      members: blob.size === 0 ? [] : [wholeMember(blob, Math.max(0, found))],
      linked: null,
    };
  }
  const { format, topic, start, size } = parsed;
  const native = octetsWithin(blob, start, size);
  const linked = format === 1 ? topic : null;
  if (native.size === 0) return { members: [], linked };
  return { members: [packageMember(native) ?? wholeMember(native)], linked };
}

function objectHead(
  head: Buffer,
): { format: number; topic: string; start: number; size: number } | null {
  if (head.length < 8) return null;
  const format = head.readUInt32LE(4) & 0xff;
  if (format !== 1 && format !== 2) return null;
  let at = 8;
  const texts: string[] = [];
  for (let i = 0; i < 3; i++) {
    if (at + 4 > head.length) return null;
    const length = head.readUInt32LE(at);
    if (length > MAX_NAME) return null;
    texts.push(head.toString("latin1", at + 4, at + 4 + length).replace(/\0[^]*$/, ""));
    at += 4 + length;
  }
  // A link has its network name and a reserved word before what it looks like.
  if (format === 1) return { format, topic: texts[1]!, start: at, size: 0 };
  if (at + 4 > head.length) return null;
  const size = head.readUInt32LE(at);
  return { format, topic: texts[1]!, start: at + 4, size };
}
