// Hexadecimal digits by octet, for text that is read octet by octet. Used by the formats beside it.

/** The value of the digit that an octet is in ASCII, -1 for none. */
export const HEX: Int8Array = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  HEX[i.toString(16).charCodeAt(0)] = i;
  HEX[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}
