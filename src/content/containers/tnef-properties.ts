// Lists of MAPI properties as winmail.dat holds them (MS-OXTNEF 2.1.3.4). Used by tnef.ts.
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";

export interface Property {
  /** The number without the type: 0x3707 is the long name of an attachment. */
  readonly id: number;
  /** True for an object: its octets start with 16 of an interface identifier. */
  readonly object: boolean;
  readonly octets: Octets;
  /** The value as text by its type, up to a NUL; of what is long the start. */
  readonly text: () => string;
}

const OBJECT = 0x0d;
const TEXT = 0x1e;
const WIDE_TEXT = 0x1f;
const BINARY = 0x102;
const MANY = 0x1000;
/** Octets of a value by its type; the others are counted. */
const SIZES: Readonly<Record<number, number>> = {
  0x02: 4,
  0x03: 4,
  0x04: 4,
  0x05: 8,
  0x06: 8,
  0x07: 8,
  0x0a: 4,
  0x0b: 4,
  0x14: 8,
  0x40: 8,
  0x48: 16,
};
const MAX_TEXT = 4_096;
const MAX_PROPERTIES = 100_000;

/** Properties with counted values, all values of those that have many. `broken` is called when the list makes no sense. */
export function* mapiProperties(list: Octets, broken: () => void): Generator<Property> {
  let at = 4;
  const word = (): number => {
    const four = list.read(at, 4);
    at += 4;
    return four.length === 4 ? four.readUInt32LE(0) : -1;
  };
  const start = list.read(0, 4);
  const count = start.length === 4 ? start.readUInt32LE(0) : 0;
  for (let i = 0; i < Math.min(count, MAX_PROPERTIES); i++) {
    const tag = word();
    if (tag < 0) return broken();
    const type = tag & 0xffff;
    const id = tag >>> 16;
    // Named ones have a GUID and a number or a counted name before the value.
    if (id >= 0x8000) {
      at += 16;
      const kind = word();
      const length = word();
      if (kind === 1 && length > 0) at += (length + 3) & ~3;
      if (length < 0) return broken();
    }
    const plain = type & ~MANY;
    const size = SIZES[plain];
    const counted = plain === OBJECT || plain === TEXT || plain === WIDE_TEXT || plain === BINARY;
    if (size === undefined && !counted) return broken();
    const values = counted || (type & MANY) !== 0 ? word() : 1;
    if (values < 0) return broken();
    if (size !== undefined) {
      at += values * size;
      continue;
    }
    for (let value = 0; value < values; value++) {
      const length = word();
      if (length < 0) return broken();
      yield property(id, plain, octetsWithin(list, at, length));
      at += Math.ceil(length / 4) * 4;
    }
  }
}

function property(id: number, type: number, octets: Octets): Property {
  return {
    id,
    object: type === OBJECT,
    octets,
    text: () => {
      const start = octets.read(0, MAX_TEXT);
      const text = start.toString(type === WIDE_TEXT ? "utf16le" : "latin1");
      return text.replace(/\0[^]*$/, "");
    },
  };
}
