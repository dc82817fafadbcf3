// LHA and LZH archives, headers of levels 0 to 3. The old methods with adaptive codes (-lh1-, -lh2-, -lzs-, -pm1-, ...) are listed, not
// unpacked.
import { Broken } from "./format.ts";
import type { Format, Member } from "./format.ts";
import { LH5, LH6, LH7, lzhOctets } from "./lzh.ts";
import type { LzhKind } from "./lzh.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { distinct, namesFrom } from "./raw-names.ts";

const FIXED = 22;
const MAX_EXTENSIONS = 64;
const STORED: ReadonlySet<string> = new Set(["-lh0-", "-lz4-", "-pm0-"]);
const PACKED = new Map<string, LzhKind>([
  ["-lh4-", LH5],
  ["-lh5-", LH5],
  ["-lh6-", LH6],
  ["-lh7-", LH7],
]);
const METHOD = /^-(?:l[hz]|pm).-$/;
/** Types of extended headers. */
const FILE_NAME = 0x01;
const DIRECTORY = 0x02;
const WIDE_FILE_NAME = 0x44;
const WIDE_DIRECTORY = 0x45;
const UNIX_MODE = 0x50;

export const lha: Format = {
  name: "lha",
  kinds: ["lha"],
  extensions: ["lha", "lzh"],
  *members(file) {
    for (let at = 0; at < file.size && file.read(at, 1)[0] !== 0;) {
      const header = headerAt(file, at);
      yield memberOf(file, header);
      at = header.end;
    }
  },
};

interface Header {
  readonly method: string;
  readonly name: Buffer;
  readonly extensions: ReadonlyMap<number, Buffer>;
  readonly data: number;
  readonly end: number;
  /** As declared. */
  readonly size: number;
}

/** The header at this place and what belongs to it. Throws Broken when there is none. */
function headerAt(file: Octets, at: number): Header {
  const fixed = file.read(at, 32);
  const method = fixed.toString("latin1", 2, 7);
  if (fixed.length < FIXED || !METHOD.test(method)) throw new Broken("lha: no header");
  const level = fixed[20]!;
  const size = fixed.readUInt32LE(11);
  const packed = fixed.readUInt32LE(7);
  if (level > 3) throw new Broken(`lha: level ${level}`, "container-unsupported");
  if (level >= 2) {
    if (fixed.length < 32) throw new Broken("lha: ends early");
    const length = level === 2 ? fixed.readUInt16LE(0) : fixed.readUInt32LE(24);
    const first = level === 2 ? 24 : 28;
    const { extensions } = extensionsOf(file, at + first, level === 2 ? 2 : 4);
    const data = at + Math.max(first, length);
    return { method, name: Buffer.alloc(0), extensions, data, end: data + packed, size };
  }
  const behind = at + fixed[0]! + 2;
  const name = file.read(at + FIXED, fixed[21]!);
  const none = { extensions: new Map<number, Buffer>(), length: 0 };
  const { extensions, length } = level === 1 ? extensionsOf(file, behind - 2, 2) : none;
  // In level 1 the size counts the extended headers too.
  return { method, name, extensions, data: behind + length, end: behind + packed, size };
}

/** The extended headers, the size of the first of which stands at `at`. */
function extensionsOf(
  file: Octets,
  at: number,
  width: 2 | 4,
): { extensions: Map<number, Buffer>; length: number } {
  const extensions = new Map<number, Buffer>();
  let length = 0;
  for (let place = at; ;) {
    const field = file.read(place, width);
    if (field.length < width) throw new Broken("lha: ends early");
    const size = field.readUIntLE(0, width);
    if (size === 0) return { extensions, length };
    if (size <= width || extensions.size === MAX_EXTENSIONS)
      throw new Broken("lha: bad extended header");
    const octets = file.read(place + width, size - width);
    if (octets.length < size - width) throw new Broken("lha: ends early");
    extensions.set(octets[0]!, octets.subarray(1));
    length += size;
    place += size;
  }
}

function memberOf(file: Octets, header: Header): Member {
  const { method, extensions, data, end, size } = header;
  const names = namesOf(header);
  const mode = extensions.get(UNIX_MODE);
  if (method === "-lhd-") {
    const link = mode !== undefined && mode.length >= 2 && mode.readUInt16LE(0) >> 12 === 0o12;
    return { names, what: link ? "link" : "directory" };
  }
  const packed = octetsWithin(file, data, end - data);
  const kind = PACKED.get(method);
  const cut = (): void => {
    if (end > file.size) throw new Broken("lha: ends early");
  };
  if (kind !== undefined)
    return { names, what: "file", octets: () => lzhOctets(packed, kind, size) };
  if (STORED.has(method))
    return {
      names,
      what: "file",
      *octets() {
        yield* pieces(packed);
        cut();
      },
    };
  return { names, what: "file", defects: [{ kind: "container-unsupported", detail: method }] };
}

/** The directory and the name, in the forms that are there; directories end in 0xff (0xffff). */
function namesOf({ name, extensions }: Header): string[] {
  const wide = extensions.get(WIDE_FILE_NAME)?.toString("utf16le");
  const wideDirectory = extensions.get(WIDE_DIRECTORY)?.toString("utf16le") ?? "";
  const [plain] = namesFrom(extensions.get(FILE_NAME) ?? name);
  const directory = extensions.get(DIRECTORY)?.toString("latin1") ?? "";
  const path = `${directory.replaceAll("\xff", "/")}${plain ?? ""}`;
  const widePath = wide === undefined ? null : `${wideDirectory.replaceAll("\uffff", "/")}${wide}`;
  return distinct([widePath, path]);
}
