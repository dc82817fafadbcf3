// Writes zip files as a test wants them: sound ones, and ones whose headers lie.
import { crc32, deflateRawSync } from "node:zlib";

export interface Written {
  readonly name: string | Buffer;
  readonly data?: Buffer | string;
  /** 0 stores, 8 (the default) deflates; with `raw` any. */
  readonly method?: number;
  /** The octets as they stand in the file, instead of what `method` makes of the data. */
  readonly raw?: Buffer;
  readonly flags?: number;
  readonly extra?: Buffer;
  /** What the local header says otherwise. */
  readonly local?: {
    name?: string | Buffer;
    method?: number;
    flags?: number;
    compressed?: number;
    size?: number;
  };
  /** What the central header says otherwise. */
  readonly central?: {
    compressed?: number;
    size?: number;
    offset?: number;
    extra?: Buffer;
    disk?: number;
  };
  /** Sizes follow the octets. */
  readonly streamed?: boolean;
  /** The directory does not list it. */
  readonly unlisted?: boolean;
}

const EMPTY = Buffer.alloc(0);
const STREAMED = 8;

function fields(sizes: readonly number[], values: readonly number[]): Buffer {
  const out = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  sizes.forEach((size, i) => (at = out.writeUIntLE(values[i]!, at, size)));
  return out;
}

interface Options {
  readonly prefix?: Buffer;
  /** True: offsets count from the start of the archive, not of the file. */
  readonly relative?: boolean;
  readonly comment?: Buffer;
  readonly suffix?: Buffer;
  readonly disk?: number;
  readonly withoutEnd?: boolean;
  /** A Zip64 end record, and full fields in the old one. */
  readonly wide?: boolean;
}

export function zipOf(members: readonly Written[], options: Options = {}): Buffer {
  const chunks: Buffer[] = [options.prefix ?? EMPTY];
  const directory: Buffer[] = [];
  const length = (): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  for (const member of members) {
    const offset = length() - (options.relative === true ? chunks[0]!.length : 0);
    const { local, central, stored } = headers(member, offset);
    chunks.push(local, stored);
    if (member.unlisted !== true) directory.push(central);
  }
  if (options.withoutEnd === true) return Buffer.concat(chunks);
  const start = length() - (options.relative === true ? chunks[0]!.length : 0);
  const central = Buffer.concat(directory);
  const end = length() + central.length;
  chunks.push(central);
  const comment = options.comment ?? EMPTY;
  if (options.wide === true) {
    const wide = Buffer.alloc(56);
    wide.writeUInt32LE(0x06064b50, 0);
    wide.writeBigUInt64LE(44n, 4);
    wide.writeBigUInt64LE(BigInt(directory.length), 24);
    wide.writeBigUInt64LE(BigInt(directory.length), 32);
    wide.writeBigUInt64LE(BigInt(central.length), 40);
    wide.writeBigUInt64LE(BigInt(start), 48);
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(BigInt(end), 8);
    locator.writeUInt32LE(1, 16);
    chunks.push(wide, locator);
  }
  const count = options.wide === true ? 0xffff : directory.length;
  const full = options.wide === true;
  chunks.push(
    fields(
      [4, 2, 2, 2, 2, 4, 4, 2],
      [
        0x06054b50,
        options.disk ?? 0,
        options.disk ?? 0,
        count,
        count,
        full ? 0xffffffff : central.length,
        full ? 0xffffffff : start,
        comment.length,
      ],
    ),
    comment,
    options.suffix ?? EMPTY,
  );
  return Buffer.concat(chunks);
}

function headers(
  member: Written,
  offset: number,
): { local: Buffer; central: Buffer; stored: Buffer } {
  const data = Buffer.from(member.data ?? "");
  const method = member.method ?? 8;
  const packed = member.raw ?? (method === 0 ? data : deflateRawSync(data));
  const flags = (member.flags ?? 0) | (member.streamed === true ? STREAMED : 0);
  const sum = crc32(data);
  const name = Buffer.from(member.name);
  const extra = member.extra ?? EMPTY;
  const localName = Buffer.from(member.local?.name ?? name);
  const here = (known: number): number => (member.streamed === true ? 0 : known);
  const local = Buffer.concat([
    fields(
      [4, 2, 2, 2, 4, 4, 4, 4, 2, 2],
      [
        0x04034b50,
        20,
        member.local?.flags ?? flags,
        member.local?.method ?? method,
        0,
        here(sum),
        member.local?.compressed ?? here(packed.length),
        member.local?.size ?? here(data.length),
        localName.length,
        extra.length,
      ],
    ),
    localName,
    extra,
  ]);
  const centralExtra = member.central?.extra ?? extra;
  const central = Buffer.concat([
    fields(
      [4, 2, 2, 2, 2, 4, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4],
      [
        0x02014b50,
        20,
        20,
        flags,
        method,
        0,
        sum,
        member.central?.compressed ?? packed.length,
        member.central?.size ?? data.length,
        name.length,
        centralExtra.length,
        0,
        member.central?.disk ?? 0,
        0,
        0,
        member.central?.offset ?? offset,
      ],
    ),
    name,
    centralExtra,
  ]);
  const descriptor = fields([4, 4, 4, 4], [0x08074b50, sum, packed.length, data.length]);
  return {
    local,
    central,
    stored: member.streamed === true ? Buffer.concat([packed, descriptor]) : packed,
  };
}
