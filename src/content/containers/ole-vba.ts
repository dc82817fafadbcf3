// The sources of VBA macros (MS-OVBA): the stream "dir" lists the modules and where the source starts in each; source and list are
// compressed in chunks of 4 KiB. Used by ole.ts, which finds the storages.
import type { Member } from "./format.ts";
import type { Entry } from "./ole-file.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";

const CHUNK = 4_096;
/** The list of modules is read up to here. */
const MAX_DIR = 1024 * 1024;
/** Where a source is looked for when the list does not say where it starts. */
const MAX_SEARCH = 256 * 1024;
const MAX_MODULES = 1_000;
/** Each source starts with the word Attribute; its first three octets are a flag byte and a header, then come eight as they are. */
const SOURCE_START = Buffer.from("\0Attribut", "latin1");

/** Members for the sources in one storage "VBA": the streams in it. Names have no extension: a list of names cannot ban them. */
export function* vbaSources(streams: readonly Entry[]): Generator<Member> {
  const dir = streams.find(({ name }) => name.toLowerCase() === "dir");
  const starts = dir === undefined ? new Map<string, number>() : moduleStarts(dir.octets);
  let tried = 0;
  for (const { name, octets } of streams) {
    if (/^(?:dir|_VBA_PROJECT|__SRP_.*)$/i.test(name)) continue;
    if (++tried > MAX_MODULES) return;
    const start = starts.get(name.toLowerCase()) ?? sourceStart(octets);
    if (start === null || start >= octets.size) continue;
    const source = octetsWithin(octets, start, octets.size);
    yield {
      names: [`VBA/${name}`],
      what: "file",
      type: "text/plain",
      octets: () => decompressed(source),
    };
  }
}

function sourceStart(from: Octets): number | null {
  const found = from.read(0, MAX_SEARCH).indexOf(SOURCE_START);
  return found >= 3 ? found - 3 : null;
}

/** Where each module's source starts, by the lower-case name of its stream. */
function moduleStarts(dir: Octets): Map<string, number> {
  const found = new Map<string, number>();
  const list = limited(decompressed(dir), MAX_DIR);
  let streams: string[] = [];
  for (let at = 0; at + 6 <= list.length;) {
    const id = list.readUInt16LE(at);
    // The version's record says 4 and has 6.
    const size = id === 9 ? 6 : list.readUInt32LE(at + 2);
    const value = list.subarray(at + 6, at + 6 + size);
    if (id === 0x19) streams = [];
    if (id === 0x1a) streams.push(value.toString("latin1").toLowerCase());
    if (id === 0x32) streams.push(value.toString("utf16le").toLowerCase());
    if (id === 0x31 && value.length >= 4)
      for (const stream of streams) found.set(stream, value.readUInt32LE(0));
    at += 6 + size;
  }
  return found;
}

function limited(from: Iterable<Buffer>, most: number): Buffer {
  const found: Buffer[] = [];
  let size = 0;
  for (const piece of from) {
    found.push(piece);
    if ((size += piece.length) >= most) break;
  }
  return Buffer.concat(found);
}

/** MS-OVBA 2.4.1.3, a chunk at a time. What is damaged ends it: readers show what came before. */
export function* decompressed(from: Octets): Generator<Buffer> {
  if (from.read(0, 1)[0] !== 1) return;
  for (let at = 1; at + 2 < from.size;) {
    const head = from.read(at, 2);
    if (head.length < 2) return;
    const header = head.readUInt16LE(0);
    const size = (header & 0xfff) + 3;
    const data = from.read(at + 2, size - 2);
    if (((header >> 12) & 7) !== 3 || data.length === 0) return;
    yield (header & 0x8000) === 0 ? data : chunk(data);
    at += size;
  }
}

/** MS-OVBA 2.4.1.3.2: one compressed chunk, at most 4,096 octets. */
function chunk(data: Buffer): Buffer {
  const out = Buffer.allocUnsafe(CHUNK);
  let length = 0;
  let at = 0;
  while (at < data.length && length < CHUNK) {
    let flags = data[at++]!;
    for (let bit = 0; bit < 8 && at < data.length && length < CHUNK; bit++, flags >>= 1) {
      if ((flags & 1) === 0) {
        out[length++] = data[at++]!;
        continue;
      }
      if (at + 2 > data.length) return out.subarray(0, length);
      const token = data.readUInt16LE(at);
      at += 2;
      const bits = Math.max(4, 32 - Math.clz32(length - 1));
      const back = (token >> (16 - bits)) + 1;
      if (back > length) return out.subarray(0, length);
      const end = Math.min(CHUNK, length + (token & (0xffff >> bits)) + 3);
      for (; length < end; length++) out[length] = out[length - back]!;
    }
  }
  return out.subarray(0, length);
}
