// The numbers of Deflate (RFC 1951 3.2.5 to 3.2.7) and of Deflate64. Used by inflate.ts.

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
];
const LENGTH_EXTRA = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
/** In Deflate64 the last length code has 16 bits of its own and the codes of distances go on to 64 KiB. */
const LENGTH_64 = 3;
const EXTRA_64 = 16;
export const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
export const END_OF_BLOCK = 256;

export const lengthBase = (wide: boolean): Uint16Array =>
  Uint16Array.from(LENGTH_BASE, (base, i) => (wide && i === 28 ? LENGTH_64 : base));
export const lengthExtra = (wide: boolean): Uint8Array =>
  Uint8Array.from(LENGTH_EXTRA, (extra, i) => (wide && i === 28 ? EXTRA_64 : extra));

export const DISTANCE_EXTRA = Uint8Array.from({ length: 32 }, (_, i) => Math.max(0, (i >> 1) - 1));
export const DISTANCE_BASE = new Uint32Array(32);
for (let i = 1; i < 32; i++)
  DISTANCE_BASE[i] = DISTANCE_BASE[i - 1]! + (1 << DISTANCE_EXTRA[i - 1]!);
DISTANCE_BASE.forEach((base, i) => (DISTANCE_BASE[i] = base + 1));

export const FIXED_LENGTHS = new Uint8Array(320);
FIXED_LENGTHS.fill(8, 0, 144)
  .fill(9, 144, 256)
  .fill(7, 256, 280)
  .fill(8, 280, 288)
  .fill(5, 288, 320);
