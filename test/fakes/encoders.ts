// Encoders of files in text (uuencode, xxencode, yEnc, BinHex), written after the published descriptions, for tests. Strings are Latin-1.

const UU = Array.from({ length: 64 }, (_, i) => (i === 0 ? "`" : String.fromCharCode(i + 32))).join(
  "",
);
const XX = "+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BINHEX = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

export const uuencode = (name: string, data: Uint8Array): string => sixBits(name, data, UU);
export const xxencode = (name: string, data: Uint8Array): string => sixBits(name, data, XX);

function sixBits(name: string, data: Uint8Array, alphabet: string): string {
  let out = `begin 644 ${name}\r\n`;
  for (let at = 0; at < data.length; at += 45) {
    const line = data.subarray(at, at + 45);
    out += alphabet[line.length];
    for (let i = 0; i < line.length; i += 3) {
      const bits = ((line[i] ?? 0) << 16) | ((line[i + 1] ?? 0) << 8) | (line[i + 2] ?? 0);
      for (const shift of [18, 12, 6, 0]) out += alphabet[(bits >> shift) & 63];
    }
    out += "\r\n";
  }
  return `${out}${alphabet[0]}\r\nend\r\n`;
}

function yencLines(data: Uint8Array): string {
  let out = "";
  let column = 0;
  for (const octet of data) {
    const coded = (octet + 42) & 255;
    const critical = [0, 10, 13, 61].includes(coded) || (coded === 46 && column === 0);
    out += critical ? `=${String.fromCharCode((coded + 64) & 255)}` : String.fromCharCode(coded);
    column += critical ? 2 : 1;
    if (column >= 128) {
      out += "\r\n";
      column = 0;
    }
  }
  return column > 0 ? `${out}\r\n` : out;
}

export const yencode = (name: string, data: Uint8Array): string =>
  `=ybegin line=128 size=${data.length} name=${name}\r\n${yencLines(data)}=yend size=${data.length}\r\n`;

export function yencPiece(name: string, data: Uint8Array, part: number, total: number): string {
  return (
    `=ybegin part=${part} total=${total} line=128 size=9 name=${name}\r\n=ypart begin=1 end=${data.length}\r\n` +
    `${yencLines(data)}=yend size=${data.length} part=${part}\r\n`
  );
}

/** CRC-CCITT, the slow way of the description. */
function crc(data: readonly number[]): number[] {
  let sum = 0;
  for (const octet of [...data, 0, 0]) {
    for (let bit = 7; bit >= 0; bit--) {
      const out = sum & 0x8000;
      sum = ((sum << 1) | ((octet >> bit) & 1)) & 0xffff;
      if (out) sum ^= 0x1021;
    }
  }
  return [sum >> 8, sum & 255];
}

const long = (n: number): number[] => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];

/** Header of a BinHex file with its checksum. */
export function binhexHead(name: string, data: number, resource: number): number[] {
  const type = [0, ...Buffer.from("APPLdosP"), 0, 0];
  const head = [name.length, ...Buffer.from(name), ...type, ...long(data), ...long(resource)];
  return [...head, ...crc(head)];
}

/** `wrong` is put over the checksum of the data. */
export function binhex(name: string, data: Uint8Array, resource: Uint8Array, wrong = 0): string {
  const all = [...binhexHead(name, data.length, resource.length), ...data, ...crc([...data])];
  all[all.length - 1]! ^= wrong;
  all.push(...resource, ...crc([...resource]));
  const packed: number[] = [];
  for (let i = 0; i < all.length;) {
    let run = 1;
    while (run < 255 && all[i + run] === all[i]) run++;
    if (run > 3 && all[i] !== 0x90) packed.push(all[i]!, 0x90, run);
    else for (let k = 0; k < run; k++) packed.push(...(all[i] === 0x90 ? [0x90, 0] : [all[i]!]));
    i += run;
  }
  return binhexText(packed);
}

/** The text of octets whose runs are packed already. */
export function binhexText(packed: readonly number[]): string {
  let text = "";
  for (let i = 0; i < packed.length; i += 3) {
    const bits = (packed[i]! << 16) | ((packed[i + 1] ?? 0) << 8) | (packed[i + 2] ?? 0);
    for (let k = 0; k <= Math.min(3, packed.length - i); k++)
      text += BINHEX[(bits >> (18 - 6 * k)) & 63];
  }
  return `(This file must be converted with BinHex 4.0)\r\n\r\n${`:${text}:`.replace(/.{64}/g, "$&\r\n")}\r\n`;
}
