// Control words of RTF. Used by rtf.ts and rtf-digits.ts.
import type { Cursor } from "./cursor.ts";

const MAX_WORD = 64;

/** The control word behind a backslash: its letters and number; "" for a control symbol. */
export function controlWord(cursor: Cursor): { name: string; value: number } {
  let name = "";
  for (
    let octet = cursor.peek();
    isLetter(octet) && name.length < MAX_WORD;
    octet = cursor.peek()
  ) {
    name += String.fromCharCode(octet);
    cursor.next();
  }
  if (name === "") {
    cursor.next();
    return { name, value: 0 };
  }
  const negative = cursor.peek() === 0x2d;
  if (negative) cursor.next();
  let value = 0;
  for (let octet = cursor.peek(); octet >= 0x30 && octet <= 0x39; octet = cursor.peek()) {
    value = Math.min(2 ** 31, value * 10 + octet - 0x30);
    cursor.next();
  }
  if (cursor.peek() === 0x20) cursor.next();
  return { name, value: negative ? -value : value };
}

function isLetter(octet: number): boolean {
  return (octet >= 0x61 && octet <= 0x7a) || (octet >= 0x41 && octet <= 0x5a);
}
