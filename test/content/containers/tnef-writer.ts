// Writes winmail.dat (MS-OXTNEF) for tests.
import { u16, u32 } from "./compound-writer.ts";

const SIGNATURE = Buffer.from("789f3e22", "hex");

/** An attribute of the message (1) or of an attachment (2). */
export function attribute(level: 1 | 2, id: number, data: Buffer): Buffer {
  const sum = data.reduce((total, octet) => (total + octet) & 0xffff, 0);
  return Buffer.concat([Buffer.from([level]), u32(id), u32(data.length), data, u16(sum)]);
}

export function winmail(...attributes: Buffer[]): Buffer {
  return Buffer.concat([SIGNATURE, u16(7), attribute(1, 0x00089006, u32(0x10000)), ...attributes]);
}

/** A MAPI property with one counted value: text as UTF-16 or 8-bit, or octets. */
export function property(id: number, value: string | Buffer, type: number): Buffer {
  const data = Buffer.isBuffer(value)
    ? value
    : Buffer.from(`${value}\0`, type === 0x1f ? "utf16le" : "latin1");
  const padding = Buffer.alloc((4 - (data.length % 4)) % 4);
  return Buffer.concat([u16(type), u16(id), u32(1), u32(data.length), data, padding]);
}

export function properties(...list: Buffer[]): Buffer {
  return Buffer.concat([u32(list.length), ...list]);
}

/** An attachment as Outlook writes it: short title, data, and the properties with the long name. */
export function attachment(short: string, long: string, data: Buffer): Buffer {
  return Buffer.concat([
    attribute(2, 0x00069002, Buffer.alloc(14)),
    attribute(2, 0x00018010, Buffer.from(`${short}\0`, "latin1")),
    attribute(2, 0x0006800f, data),
    attribute(2, 0x00069005, properties(property(0x3707, long, 0x1f))),
  ]);
}
