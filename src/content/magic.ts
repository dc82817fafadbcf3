// What octets are, whatever was declared: short types as amavis derives them from file(1), so that banned rules written
// for it ("exe-ms", "zip") mean the same here. One table of signatures; asked by tree.ts for every leaf.

/** So many octets from the start are enough for all signatures but that of ISO 9660. */
export const MAGIC_LENGTH = 2_048;

/** Where ISO 9660 puts its mark, five octets "CD001", and UDF "BEA01". */
export const ISO_OFFSET = 32_769;

interface Signature {
  readonly at: number;
  readonly octets: Buffer;
  readonly kinds: readonly string[];
}

const hex = (text: string): Buffer => Buffer.from(text.replace(/ /g, ""), "hex");
const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
const sign = (octets: Buffer, kinds: string, at = 0): Signature => ({
  at,
  octets,
  kinds: kinds.split(" "),
});

/** "BZh", the size of the blocks, and a block or the end: "BZhang" is text. */
function bzip2Marks(): Signature[] {
  const sizes = Array.from("123456789", (size) => Buffer.from(`BZh${size}`));
  const behind = [hex("314159265359"), hex("177245385090")];
  return sizes.flatMap((mark) => behind.map((next) => sign(Buffer.concat([mark, next]), "bz2")));
}

/** First match wins; longer marks stand before shorter ones with the same start. */
const SIGNATURES: readonly Signature[] = [
  sign(hex("7f454c46"), "exe"),
  sign(hex("feedface"), "exe"),
  sign(hex("feedfacf"), "exe"),
  sign(hex("cefaedfe"), "exe"),
  sign(hex("cffaedfe"), "exe"),
  sign(ascii("PK\x03\x04"), "zip"),
  sign(ascii("PK\x05\x06"), "zip"),
  sign(ascii("PK\x07\x08"), "zip"),
  sign(ascii("PK00PK\x03\x04"), "zip"),
  sign(ascii("Rar!\x1a\x07"), "rar"),
  sign(ascii("RE~^"), "rar"),
  sign(hex("377abcaf271c"), "7z"),
  sign(hex("1f8b"), "gz"),
  sign(hex("1f9d"), "Z"),
  ...bzip2Marks(),
  sign(hex("fd377a585a00"), "xz"),
  sign(hex("5d0000"), "lzma"),
  sign(hex("28b52ffd"), "zst"),
  sign(hex("04224d18"), "lz4"),
  sign(ascii("LZIP\x01"), "lz"),
  sign(ascii("MSCF\0\0\0\0"), "cab"),
  sign(ascii("ISc("), "cab"),
  sign(hex("60ea"), "arj"),
  sign(ascii("**ACE**"), "ace", 7),
  sign(hex("dca7c4fd"), "zoo", 20),
  sign(hex("edabeedb"), "rpm"),
  sign(ascii("!<arch>\ndebian"), "deb"),
  sign(ascii("!<arch>\n"), "ar"),
  sign(ascii("070701"), "cpio"),
  sign(ascii("070702"), "cpio"),
  sign(ascii("070707"), "cpio"),
  sign(ascii("ustar"), "tar", 257),
  sign(hex("d0cf11e0a1b11ae1"), "doc"),
  sign(ascii("{\\rt"), "rtf"),
  sign(hex("e4525c7b8cd8a74daeb15378d02996d3"), "onenote"),
  sign(hex("789f3e22"), "tnef"),
  sign(hex("4c0000000114020000000000c000000000000046"), "lnk"),
  sign(ascii("ITSF\x03\0\0\0"), "chm"),
  sign(ascii("?_\x03\x00"), "hlp"),
  sign(ascii("FWS"), "swf"),
  sign(ascii("CWS"), "swf"),
  sign(ascii("ZWS"), "swf"),
  sign(ascii("MSWIM\0\0\0"), "wim"),
  sign(ascii("xar!\0"), "xar"),
  sign(hex("894c5a4f000d0a1a0a"), "lzo"),
  sign(ascii("LRZI\0"), "lrz"),
  sign(hex("1f1e"), "pack"),
  sign(ascii("ALZ\x01"), "alz"),
  sign(ascii("EGGA\0\x01"), "egg"),
  sign(ascii("StuffIt (c)"), "sit"),
  sign(ascii("rLau"), "sit", 10),
  sign(ascii("hsqs"), "squashfs"),
  sign(hex("02214c18"), "lz4"),
  sign(ascii("vhdxfile"), "vhdx"),
  sign(ascii("conectix"), "vhd"),
  sign(ascii("QFI\xfb"), "qcow"),
  sign(ascii("KDMV"), "vmdk"),
  sign(ascii("\0asm"), "wasm"),
  sign(hex("89504e470d0a1a0a"), "png"),
  sign(ascii("GIF8"), "gif"),
  sign(hex("ffd8ff"), "jpg"),
  sign(ascii("II*\0"), "tif"),
  sign(ascii("MM\0*"), "tif"),
  sign(ascii("%!PS"), "ps"),
  sign(ascii("OggS"), "ogg"),
  sign(ascii("ID3"), "mp3"),
  sign(ascii("fLaC"), "flac"),
  sign(ascii("ftyp"), "mp4", 4),
  sign(ascii("-----BEGIN PGP"), "asc"),
];

/** Signatures by their first octet, those that do not stand at the start apart: most octets match none. */
const BY_FIRST = new Map<number, Signature[]>();
const ELSEWHERE: Signature[] = [];
for (const signature of SIGNATURES) {
  const first = signature.octets[0]!;
  if (signature.at > 0) ELSEWHERE.push(signature);
  else BY_FIRST.set(first, [...(BY_FIRST.get(first) ?? []), signature]);
}

/**
 * Short types of these octets, the most telling first: ["exe", "exe-ms"], ["txt"], ["dat"] when nothing is known, [] for
 * no octets. `start` is the beginning (MAGIC_LENGTH suffices), `isoMark` the five octets at ISO_OFFSET if there are any.
 */
export function kindsOf(start: Buffer, isoMark: Buffer | null = null): string[] {
  if (start.length === 0) return [];
  const kinds = [...(bySignature(start) ?? byForm(start) ?? textOrData(start))];
  const disc = isoMark?.toString("latin1");
  if (disc === "CD001" || disc === "BEA01") kinds.unshift("iso");
  return kinds;
}

function bySignature(start: Buffer): readonly string[] | null {
  for (const one of BY_FIRST.get(start[0]!) ?? []) if (matches(start, one)) return one.kinds;
  for (const one of ELSEWHERE) if (matches(start, one)) return one.kinds;
  return null;
}

function matches(start: Buffer, { at, octets }: Signature): boolean {
  if (start.length < at + octets.length) return false;
  return start.compare(octets, 0, octets.length, at, at + octets.length) === 0;
}

/** The object identifiers of S/MIME's content types: PKCS #7 and PKCS #9 (1.2.840.113549.1.7 and .1.9.16.1). */
const SMIME = /^(?:06092a864886f70d0107|060b2a864886f70d01091001)/;

/** Types that one mark does not decide. */
function byForm(start: Buffer): readonly string[] | null {
  const first = start[0]!;
  if (first === 0x30) {
    // Behind the length, of any form.
    const at = start[1] !== undefined && start[1] > 0x80 ? 2 + (start[1] & 0x7f) : 2;
    if (SMIME.test(start.toString("hex", at, at + 12))) return ["p7m"];
  }
  if ((first === 0x4d && start[1] === 0x5a) || (first === 0x5a && start[1] === 0x4d)) {
    return windowsProgram(start);
  }
  // Java classes and fat Mach-O share their mark; the class file's version is never below 43.
  if (start.length >= 8 && start.readUInt32BE(0) === 0xcafebabe) {
    return start.readUInt32BE(4) < 43 ? ["exe"] : ["class"];
  }
  if (first === 0x23 && start[1] === 0x21) return isText(start) ? ["exe", "txt"] : ["exe"];
  if (start[2] === 0x2d && /^-(?:lh.|lz.|pm.)-$/.test(start.toString("latin1", 2, 7)))
    return ["lha"];
  if (first === 0x52 && start.toString("latin1", 0, 4) === "RIFF") {
    return start.toString("latin1", 8, 12) === "AVI " ? ["avi"] : ["riff"];
  }
  if (isBinaryCpio(start)) return ["cpio"];
  if (isBootSector(start)) return ["img"];
  // Readers look for the PDF mark in the first KiB.
  const pdf = start.subarray(0, 1_024).indexOf("%PDF-");
  return pdf >= 0 ? ["pdf"] : null;
}

/** The mark is short: the name behind the header must end where its length says. */
function isBinaryCpio(start: Buffer): boolean {
  if (start.length < 28) return false;
  const big = start.readUInt16BE(0) === 0o070707;
  if (!big && start.readUInt16LE(0) !== 0o070707) return false;
  const length = big ? start.readUInt16BE(20) : start.readUInt16LE(20);
  return length > 1 && start.indexOf(0, 26) === 25 + length;
}

/** MZ: a PE program or library, a DOS program, or text that happens to start so. */
function windowsProgram(start: Buffer): readonly string[] | null {
  const header = start.length >= 64 ? start.readUInt32LE(60) : 0;
  if (header + 24 <= start.length && start.toString("latin1", header, header + 4) === "PE\0\0") {
    // IMAGE_FILE_DLL in the characteristics.
    const library = (start.readUInt16LE(header + 22) & 0x2000) !== 0;
    return library ? ["exe", "exe-ms", "dll"] : ["exe", "exe-ms"];
  }
  return isText(start) ? null : ["exe", "exe-ms"];
}

/** The first sector of a disk or a volume: code that jumps over a table of sizes, or a table of partitions. */
function isBootSector(start: Buffer): boolean {
  if (start.length < 512 || start.readUInt16BE(510) !== 0x55aa) return false;
  const jumps = (start[0] === 0xeb && start[2] === 0x90) || start[0] === 0xe9;
  if (jumps && [0, 512, 1024, 2048, 4096].includes(start.readUInt16LE(11))) return true;
  let partitions = 0;
  for (let at = 446; at < 510; at += 16) {
    if ((start[at]! & 0x7f) !== 0) return false;
    if (start[at + 4]! !== 0 && start.readUInt32LE(at + 12) > 0) partitions++;
  }
  return partitions > 0;
}

const HTML =
  /^(?:\ufeff|\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^>]{0,200}-->\s*)?<(?:!doctype\s+html|html|head|body|script|title|table|meta)\b/i;

function textOrData(start: Buffer): readonly string[] {
  if (!isText(start)) return ["dat"];
  const text = start.toString("latin1", 0, Math.min(start.length, 1_024));
  const html = text.includes("<") && HTML.test(text);
  if (/<hta:application/i.test(text)) return ["hta", "html", "txt"];
  if (html) return ["html", "txt"];
  if (/^#@~\^/.test(text)) return ["vbe", "txt"];
  return ["txt"];
}

/** Octets that text of any charset may hold: no control characters but white space, form feed, escape, backspace. */
const TEXT_OCTET = new Uint8Array(256).fill(1);
for (let i = 0; i < 32; i++) TEXT_OCTET[i] = [7, 8, 9, 10, 11, 12, 13, 27].includes(i) ? 1 : 0;
TEXT_OCTET[127] = 0;

function isText(start: Buffer): boolean {
  // UTF-16 with a byte order mark is full of NULs and text all the same.
  if ((start[0] === 0xff && start[1] === 0xfe) || (start[0] === 0xfe && start[1] === 0xff))
    return true;
  const length = Math.min(start.length, MAGIC_LENGTH);
  for (let i = 0; i < length; i++) if (TEXT_OCTET[start[i]!] === 0) return false;
  return true;
}
