// One header of a tar archive, and the records of pax. Used by tar.ts.
import type { Octets } from "./octets.ts";

export const BLOCK = 512;
const NAME = [0, 100] as const;
const SIZE = [124, 136] as const;
const SUM = [148, 156] as const;
const TYPE = 156;
const MAGIC = [257, 265] as const;
const PREFIX = [345, 500] as const;
/** An old GNU sparse file has more of its map in blocks behind the header. */
const SPARSE_MORE = 482;
const SPARSE_NEXT = 504;
const MAX_SPARSE_BLOCKS = 256;

export interface Header {
  readonly name: string;
  readonly size: number;
  /** One character: "0", "5", "x", "L". */
  readonly type: string;
  readonly what: "file" | "directory" | "link" | "special";
  /** Blocks between the header and the octets. */
  readonly sparseBlocks: number;
}

/** The header at this place; null when there is none, or its checksum is wrong. */
export function headerAt(file: Octets, at: number): Header | null {
  const block = file.read(at, BLOCK);
  if (block.length < BLOCK || isZero(block) || !isSummed(block)) return null;
  const type = String.fromCharCode(block[TYPE]!);
  const ustar = block.toString("latin1", ...MAGIC) === "ustar\x0000";
  const prefix = ustar ? text(block, ...PREFIX) : "";
  const name = text(block, ...NAME);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    size: number(block.subarray(...SIZE)) ?? 0,
    type,
    what: whatIs(type),
    sparseBlocks: type === "S" ? sparseBlocks(file, at, block) : 0,
  };
}

export function isZero(block: Buffer): boolean {
  return block.every((octet) => octet === 0);
}

/** The checksum counts its own field as blanks; old writers summed signed octets. */
function isSummed(block: Buffer): boolean {
  const said = number(block.subarray(...SUM));
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const octet = i >= SUM[0] && i < SUM[1] ? 0x20 : block[i]!;
    unsigned += octet;
    signed += octet < 128 ? octet : octet - 256;
  }
  return said === unsigned || said === signed;
}

function whatIs(type: string): Header["what"] {
  if (type === "1" || type === "2") return "link";
  if (type === "3" || type === "4" || type === "6") return "special";
  return type === "5" || type === "D" ? "directory" : "file";
}

/** Octal digits between blanks and NULs, or base 256 when the first bit is set; null when it is neither. */
function number(field: Buffer): number | null {
  if ((field[0]! & 0x80) !== 0) {
    if ((field[0]! & 0x40) !== 0) return null; // negative
    let value = field[0]! & 0x3f;
    for (const octet of field.subarray(1)) value = value * 256 + octet;
    return Number.isSafeInteger(value) ? value : null;
  }
  const digits = /^[ \0]*([0-7]*)(?:[ \0]|$)/.exec(field.toString("latin1"));
  return digits === null ? null : Number.parseInt(digits[1] === "" ? "0" : digits[1]!, 8);
}

function text(block: Buffer, from: number, to: number): string {
  const field = block.subarray(from, to);
  const nul = field.indexOf(0);
  return field.toString("utf8", 0, nul < 0 ? field.length : nul);
}

function sparseBlocks(file: Octets, at: number, header: Buffer): number {
  let blocks = 0;
  let more = header[SPARSE_MORE] !== 0;
  while (more && blocks < MAX_SPARSE_BLOCKS) {
    blocks++;
    const block = file.read(at + blocks * BLOCK, BLOCK);
    more = block.length === BLOCK && block[SPARSE_NEXT] !== 0;
  }
  return blocks;
}

/** The records of a pax header, "LENGTH KEY=VALUE\n" each; the last of a key counts. What is no record ends them. */
export function paxRecords(octets: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < octets.length;) {
    const head = /^(\d{1,6}) /.exec(octets.toString("latin1", at, at + 8));
    if (head === null) break;
    const end = at + Number(head[1]);
    const equals = octets.indexOf(0x3d, at);
    if (equals < 0 || equals >= end || end > octets.length || octets[end - 1] !== 0x0a) break;
    const key = octets.toString("utf8", at + head[0].length, equals);
    records.set(key, octets.toString("utf8", equals + 1, end - 1));
    at = end;
  }
  return records;
}
