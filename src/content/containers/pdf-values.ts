// The objects of PDF (ISO 32000-1, 7.3) as values. Lenient, as the programs that show PDF are: what makes no sense is left out. Depth,
// count and the octets looked at are bounded. Used by pdf.ts and its neighbours.
import type { Cursor } from "./cursor.ts";

export type Value = number | Name | Text | Ref | Word | Value[] | Dict;
export type Dict = ReadonlyMap<string, Value>;

/** "/Name" without the slash, its #xx resolved. */
export interface Name {
  readonly name: string;
}
/** A string, its first octets. */
export interface Text {
  readonly text: Buffer;
}
/** "12 0 R". */
export interface Ref {
  readonly ref: number;
}
/** A bare word: "true", "stream", "endobj"; brackets that stand alone. */
export interface Word {
  readonly word: string;
}

const MAX_DEPTH = 64;
const MAX_VALUES = 200_000;
const MAX_TEXT = 4_096;
const MAX_NAME = 256;
/** Words that end an object, whatever is still open. */
const LAST: ReadonlySet<string> = new Set([
  "obj",
  "endobj",
  "stream",
  "xref",
  "trailer",
  "startxref",
]);
const MORE = { word: ">>" };

export const isName = (value: Value | undefined, name: string): boolean =>
  typeof value === "object" && "name" in value && value.name === name;
export const isDict = (value: Value | undefined): value is Dict => value instanceof Map;
export const refOf = (value: Value | undefined): number | null =>
  typeof value === "object" && "ref" in value ? value.ref : null;
export const textOf = (value: Value | undefined): Buffer | null =>
  typeof value === "object" && "text" in value ? value.text : null;
export const nameOf = (value: Value | undefined): string | null =>
  typeof value === "object" && "name" in value ? value.name : null;
export const wordOf = (value: Value | undefined): string | null =>
  typeof value === "object" && "word" in value ? value.word : null;

/** The values from the cursor on up to a word that ends an object, which comes last; [] at the end of the file. */
export function objectValues(cursor: Cursor): Value[] {
  const found: Value[] = [];
  const count = { left: MAX_VALUES };
  for (let value = valueAt(cursor, 0, count); value !== null; value = valueAt(cursor, 0, count)) {
    put(found, value);
    const word = wordOf(value);
    if (word !== null && LAST.has(word)) break;
  }
  return found;
}

/** One value; null at the end of the file or of the patience. */
export function valueAt(cursor: Cursor, depth: number, count: { left: number }): Value | null {
  skipSpace(cursor);
  if (count.left-- <= 0) return null;
  const octet = cursor.next();
  switch (octet) {
    case -1:
      return null;
    case 0x2f:
      return { name: nameFrom(cursor) };
    case 0x28:
      return { text: literal(cursor) };
    case 0x5b:
      return depth < MAX_DEPTH ? list(cursor, "]", depth, count) : { word: "[" };
    case 0x3c:
      if (cursor.peek() !== 0x3c) return { text: hexadecimal(cursor) };
      cursor.next();
      return depth < MAX_DEPTH ? dictOf(list(cursor, ">>", depth, count)) : { word: "<<" };
    case 0x3e:
      if (cursor.peek() !== 0x3e) return { word: ">" };
      cursor.next();
      return MORE;
    default:
      return isRegular(octet) ? plain(cursor, octet) : { word: String.fromCharCode(octet) };
  }
}

/** Values up to the closing bracket. A word that ends an object ends it too, and is left for the caller. */
function list(cursor: Cursor, close: string, depth: number, count: { left: number }): Value[] {
  const found: Value[] = [];
  for (;;) {
    const at = cursor.at;
    const value = valueAt(cursor, depth + 1, count);
    if (value === null) return found;
    const word = wordOf(value);
    if (word === close) return found;
    if (word !== null && LAST.has(word)) {
      cursor.seek(at);
      return found;
    }
    put(found, value);
  }
}

/** "12 0 R" becomes one value. */
function put(found: Value[], value: Value): void {
  if (wordOf(value) === "R") {
    const generation = found.at(-1);
    const ref = found.at(-2);
    if (typeof generation === "number" && typeof ref === "number") {
      found.length -= 2;
      found.push({ ref });
      return;
    }
  }
  found.push(value);
}

/** The last of several values under one key counts; a key without a value is left out. */
function dictOf(values: readonly Value[]): Dict {
  const found = new Map<string, Value>();
  for (let i = 0; i + 1 < values.length; i++) {
    const key = nameOf(values[i]);
    if (key === null) continue;
    found.set(key, values[++i]!);
  }
  return found;
}

function skipSpace(cursor: Cursor): void {
  for (;;) {
    const octet = cursor.peek();
    if (octet === 0x25) {
      while (cursor.peek() >= 0 && cursor.peek() !== 0x0a && cursor.peek() !== 0x0d) cursor.next();
    } else if (!isSpace(octet)) return;
    cursor.next();
  }
}

export function isSpace(octet: number): boolean {
  return octet === 32 || octet === 10 || octet === 13 || octet === 9 || octet === 0 || octet === 12;
}

/** Neither white space nor one of the delimiters ()<>[]{}/%, nor the end. */
function isRegular(octet: number): boolean {
  return octet >= 0 && !isSpace(octet) && !"()<>[]{}/%".includes(String.fromCharCode(octet));
}

function nameFrom(cursor: Cursor): string {
  let found = "";
  for (let octet = cursor.peek(); isRegular(octet); octet = cursor.peek()) {
    cursor.next();
    if (found.length >= MAX_NAME) continue;
    const code = octet === 0x23 ? escaped(cursor) : -1;
    found += String.fromCharCode(code < 0 ? octet : code);
  }
  return found;
}

/** The octet behind "#", -1 when no two digits follow. */
function escaped(cursor: Cursor): number {
  const at = cursor.at;
  const digits = String.fromCharCode(cursor.next() & 0xff, cursor.next() & 0xff);
  if (/^[0-9a-f]{2}$/i.test(digits)) return parseInt(digits, 16);
  cursor.seek(at);
  return -1;
}

function plain(cursor: Cursor, first: number): Value {
  let found = String.fromCharCode(first);
  for (let octet = cursor.peek(); isRegular(octet); octet = cursor.peek()) {
    cursor.next();
    if (found.length < MAX_NAME) found += String.fromCharCode(octet);
  }
  return /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(found) ? Number(found) : { word: found };
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, f: 12 };

function literal(cursor: Cursor): Buffer {
  const found: number[] = [];
  let depth = 0;
  for (let octet = cursor.next(); octet >= 0; octet = cursor.next()) {
    if (octet === 0x29 && depth-- === 0) break;
    if (octet === 0x28) depth++;
    const plainOctet = octet === 0x5c ? afterBackslash(cursor) : octet;
    if (plainOctet >= 0 && found.length < MAX_TEXT) found.push(plainOctet);
  }
  return Buffer.from(found);
}

/** What a backslash and what follows stand for; -1 for nothing (a line that goes on). */
function afterBackslash(cursor: Cursor): number {
  const octet = cursor.next();
  if (octet === 0x0d && cursor.peek() === 0x0a) cursor.next();
  if (octet === 0x0a || octet === 0x0d) return -1;
  if (octet < 0x30 || octet > 0x37) return ESCAPES[String.fromCharCode(octet & 0xff)] ?? octet;
  let code = octet - 0x30;
  for (let i = 0; i < 2 && cursor.peek() >= 0x30 && cursor.peek() <= 0x37; i++)
    code = code * 8 + cursor.next() - 0x30;
  return code & 0xff;
}

function hexadecimal(cursor: Cursor): Buffer {
  let digits = "";
  for (let octet = cursor.next(); octet >= 0 && octet !== 0x3e; octet = cursor.next()) {
    const digit = String.fromCharCode(octet);
    if (digits.length < 2 * MAX_TEXT && /[0-9a-f]/i.test(digit)) digits += digit;
  }
  return Buffer.from(digits.length % 2 === 0 ? digits : `${digits}0`, "hex");
}
