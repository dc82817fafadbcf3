// Writes compound files (MS-CFB) for tests: storages are objects, streams are buffers.
export interface Storage {
  readonly [name: string]: Buffer | Storage;
}

export interface Options {
  /** 512 (version 3) or 4096 (version 4). */
  readonly sector?: 512 | 4096;
  /** Class identifier of the root, 32 hex digits. */
  readonly clsid?: string;
  /** True: chains jump about. */
  readonly scattered?: boolean;
}

interface Item {
  name: string;
  type: 1 | 2 | 5;
  right: number;
  child: number;
  start: number;
  size: number;
  data: Buffer;
}

const FREE = 0xffffffff;
const END = 0xfffffffe;
const FAT = 0xfffffffd;
const MINI = 64;

export function compound(
  content: Storage,
  { sector = 512, clsid = "", scattered = false }: Options = {},
): Buffer {
  const items: Item[] = [];
  const add = (name: string, type: Item["type"], data: Buffer): Item => {
    const item = { name, type, right: FREE, child: FREE, start: END, size: data.length, data };
    items.push(item);
    return item;
  };
  const fill = (parent: Item, storage: Storage): void => {
    let before: Item | null = null;
    for (const [name, value] of Object.entries(storage)) {
      const index = items.length;
      const item = Buffer.isBuffer(value) ? add(name, 2, value) : add(name, 1, Buffer.alloc(0));
      if (before === null) parent.child = index;
      else before.right = index;
      before = item;
      if (!Buffer.isBuffer(value)) fill(item, value);
    }
  };
  fill(add("Root Entry", 5, Buffer.alloc(0)), content);

  const sectors: Buffer[] = [];
  const next: number[] = [];
  const put = (data: Buffer): number => {
    if (data.length === 0) return END;
    const first = sectors.length;
    const count = Math.ceil(data.length / sector);
    // Scattered: pairs of sectors, the last pair first.
    const paired = count & ~1;
    const placeOf = (i: number): number =>
      first + (!scattered || i >= paired ? i : paired - 2 - (i & ~1) + (i & 1));
    for (let i = 0; i < count; i++) {
      const one = Buffer.alloc(sector);
      data.copy(one, 0, i * sector, (i + 1) * sector);
      sectors[placeOf(i)] = one;
      next[placeOf(i)] = i + 1 < count ? placeOf(i + 1) : END;
    }
    return placeOf(0);
  };

  const mini: Buffer[] = [];
  const miniNext: number[] = [];
  for (const item of items) {
    if (item.size === 0 || item.type !== 2) continue;
    if (item.size >= 4096) {
      item.start = put(item.data);
      continue;
    }
    item.start = mini.length;
    for (let at = 0; at < item.size; at += MINI) {
      const one = Buffer.alloc(MINI);
      item.data.copy(one, 0, at, at + MINI);
      mini.push(one);
      miniNext.push(mini.length);
    }
    miniNext[miniNext.length - 1] = END;
  }
  const root = items[0]!;
  root.start = put(Buffer.concat(mini));
  root.size = mini.length * MINI;
  const miniTable = put(words(miniNext));
  const directory = put(Buffer.concat(items.map((item, i) => entry(item, i === 0 ? clsid : ""))));
  const perSector = sector / 4;
  let tables = 0;
  while (tables * perSector < sectors.length + tables) tables++;
  const places = Array.from({ length: tables }, (_, i) => sectors.length + i);
  const table = words([...next, ...places.map(() => FAT)]);
  for (let i = 0; i < tables; i++) {
    const one = Buffer.alloc(sector, 0xff);
    table.copy(one, 0, i * sector, (i + 1) * sector);
    sectors.push(one);
  }
  const head = Buffer.alloc(sector, 0);
  Buffer.from("d0cf11e0a1b11ae1", "hex").copy(head);
  head.writeUInt16LE(0x3e, 24);
  head.writeUInt16LE(sector === 512 ? 3 : 4, 26);
  head.writeUInt16LE(0xfffe, 28);
  head.writeUInt16LE(sector === 512 ? 9 : 12, 30);
  head.writeUInt16LE(6, 32);
  head.writeUInt32LE(tables, 44);
  head.writeUInt32LE(directory, 48);
  head.writeUInt32LE(4096, 56);
  head.writeUInt32LE(miniTable, 60);
  head.writeUInt32LE(END, 68);
  head.fill(0xff, 76, 512);
  places.forEach((place, i) => head.writeUInt32LE(place, 76 + 4 * i));
  return Buffer.concat([head, ...sectors]);
}

function entry({ name, type, right, child, start, size }: Item, clsid: string): Buffer {
  const found = Buffer.alloc(128);
  found.write(name, 0, 62, "utf16le");
  found.writeUInt16LE(Math.min(64, name.length * 2 + 2), 64);
  found[66] = type;
  found[67] = 1;
  found.writeUInt32LE(FREE, 68);
  found.writeUInt32LE(right, 72);
  found.writeUInt32LE(child, 76);
  found.write(clsid, 80, "hex");
  found.writeUInt32LE(start, 116);
  found.writeUInt32LE(size, 120);
  return found;
}

function words(numbers: readonly number[]): Buffer {
  const found = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, i) => found.writeUInt32LE(number, i * 4));
  return found;
}

const z = (text: string): Buffer => Buffer.from(`${text}\0`, "latin1");
export const u16 = (value: number): Buffer => {
  const found = Buffer.alloc(2);
  found.writeUInt16LE(value);
  return found;
};
export const u32 = (value: number): Buffer => {
  const found = Buffer.alloc(4);
  found.writeUInt32LE(value);
  return found;
};

/** A package as the Packager writes it, without the length that stands before it in a stream Ole10Native. */
export function packaged(name: string, data: Buffer): Buffer {
  const path = z(`C:\\Temp\\${name}`);
  const wide = [`C:\\Temp\\${name}`, name, `C:\\Users\\x\\${name}`].flatMap((text) => [
    u32(text.length),
    Buffer.from(text, "utf16le"),
  ]);
  const start = [
    u16(2),
    z(name),
    z(`C:\\Users\\x\\${name}`),
    u16(0),
    u16(3),
    u32(path.length),
    path,
  ];
  return Buffer.concat([...start, u32(data.length), data, ...wide]);
}

/** A stream Ole10Native. */
export function native(name: string, data: Buffer): Buffer {
  const whole = packaged(name, data);
  return Buffer.concat([u32(whole.length), whole]);
}

/** Octets in the compressed form of MS-OVBA 2.4.1, of literals only. */
export function ovba(data: Buffer): Buffer {
  const chunks: Buffer[] = [Buffer.from([1])];
  for (let at = 0; at < data.length; at += 3000) {
    const part = data.subarray(at, at + 3000);
    const tokens: Buffer[] = [];
    for (let i = 0; i < part.length; i += 8) tokens.push(Buffer.from([0]), part.subarray(i, i + 8));
    const body = Buffer.concat(tokens);
    chunks.push(u16(0xb000 | (body.length - 1)), body);
  }
  return Buffer.concat(chunks);
}

/** A storage "VBA" with these modules; `cache`: octets before each source. */
export function vba(modules: Readonly<Record<string, string>>, cache = 40): Storage {
  const record = (id: number, data: Buffer): Buffer =>
    Buffer.concat([u16(id), u32(data.length), data]);
  const records = [record(1, u32(3)), Buffer.concat([u16(9), u32(4), u32(1), u16(2)])];
  const streams: Record<string, Buffer> = { _VBA_PROJECT: Buffer.from("cc61ffff000000", "hex") };
  for (const [name, source] of Object.entries(modules)) {
    records.push(record(0x19, z(name).subarray(0, -1)), record(0x1a, z(name).subarray(0, -1)));
    records.push(record(0x32, Buffer.from(name, "utf16le")), record(0x31, u32(cache)));
    streams[name] = Buffer.concat([Buffer.alloc(cache, 0x55), ovba(Buffer.from(source))]);
  }
  return { dir: ovba(Buffer.concat(records)), ...streams };
}
