// Writes RAR archives of versions 4 and 5 with stored members, as far as tests of the reader need them: no free packer exists.
import { crc32 } from "node:zlib";

export interface Stored {
  /** In version 4 the octets of the name as they stand, UTF-8 or the packer's own coding. */
  readonly name: string | Buffer;
  readonly data?: string | Buffer;
  readonly encrypted?: boolean;
  readonly directory?: boolean;
  /** Goes on in the next volume. */
  readonly split?: boolean;
  /** Version 4: the name has a Unicode form. */
  readonly wide?: boolean;
  /** A method other than "stored" that its octets do not follow. */
  readonly method?: number;
}

const MARK_4 = Buffer.from("Rar!\x1a\x07\0", "latin1");
const MARK_5 = Buffer.from("Rar!\x1a\x07\x01\0", "latin1");

export function rar4(members: readonly Stored[], { volume = false, sealed = false } = {}): Buffer {
  const flags = (volume ? 1 : 0) | (sealed ? 0x80 : 0);
  return Buffer.concat([
    MARK_4,
    block4(0x73, flags, Buffer.alloc(6)),
    ...members.map(member4),
    block4(0x7b, 0x4000, Buffer.alloc(0)),
  ]);
}

function member4(member: Stored): Buffer {
  const data = Buffer.from((member.data ?? "") as string);
  const name = Buffer.from(member.name as string);
  const fixed = Buffer.alloc(25);
  fixed.writeUInt32LE(data.length, 0);
  fixed.writeUInt32LE(data.length, 4);
  fixed[8] = 2; // Windows
  fixed.writeUInt32LE(crc32(data), 9);
  fixed[17] = 20;
  fixed[18] = member.method ?? 0x30;
  fixed.writeUInt16LE(name.length, 19);
  let flags = 0x8000;
  if (member.encrypted === true) flags |= 0x04;
  if (member.split === true) flags |= 0x02;
  if (member.wide === true) flags |= 0x200;
  if (member.directory === true) flags |= 0xe0;
  return Buffer.concat([block4(0x74, flags, Buffer.concat([fixed, name])), data]);
}

function block4(type: number, flags: number, rest: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt16LE(flags, 1);
  head.writeUInt16LE(7 + rest.length, 3);
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(crc32(Buffer.concat([head, rest])) & 0xffff);
  return Buffer.concat([sum, head, rest]);
}

export function rar5(members: readonly Stored[], { volume = false, sealed = false } = {}): Buffer {
  if (sealed) return Buffer.concat([MARK_5, block5([4, 0, 0, 0, 15], Buffer.alloc(16))]);
  return Buffer.concat([
    MARK_5,
    block5([1, 0, volume ? 1 : 0]),
    ...members.map(member5),
    block5([5, 0, 0]),
  ]);
}

function member5(member: Stored): Buffer {
  const data = Buffer.from((member.data ?? "") as string);
  const name = Buffer.from(member.name as string);
  // The record of the extra area that tells of encryption: its size and type, and what a reader without a password skips.
  const extra = member.encrypted === true ? Buffer.from([3, 1, 0, 0]) : Buffer.alloc(0);
  const flags = 0x02 | (extra.length > 0 ? 0x01 : 0) | (member.split === true ? 0x10 : 0);
  const numbers = [2, flags, ...(extra.length > 0 ? [extra.length] : []), data.length];
  numbers.push(member.directory === true ? 1 : 0, data.length, 0, (member.method ?? 0) << 7, 0);
  return Buffer.concat([block5([...numbers, name.length], Buffer.concat([name, extra])), data]);
}

function block5(numbers: readonly number[], rest: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([...numbers.map(number5), rest]);
  const checked = Buffer.concat([number5(body.length), body]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(checked));
  return Buffer.concat([sum, checked]);
}

function number5(value: number): Buffer {
  const octets: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    octets.push((left & 0x7f) | (left > 127 ? 0x80 : 0));
    if (left <= 127) return Buffer.from(octets);
  }
}
