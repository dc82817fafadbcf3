// What the main streams of Word, Excel and PowerPoint files tell: a password, macro sheets, and the objects that PowerPoint keeps in its
// own records (MS-DOC 2.5.2, MS-XLS 2.4.28 and 2.4.117, MS-PPT 2.3.2 and 2.10.34). Used by ole.ts.
import { Cursor } from "./cursor.ts";
import type { Member } from "./format.ts";
import { Inflate } from "./inflate.ts";
import { octetsWithin } from "./octets.ts";
import type { Octets } from "./octets.ts";
import { wholeMember } from "./ole-package.ts";

/** True when a WordDocument stream says that the document is encrypted. */
export function wordEncrypted(stream: Octets): boolean {
  const start = stream.read(0, 12);
  return start.length === 12 && (start.readUInt16LE(10) & 0x0100) !== 0;
}

const FILEPASS = 0x2f;
const BOUNDSHEET = 0x85;
/** BOF of any version: the type of what begins stands in its second word. */
const BOFS: ReadonlySet<number> = new Set([0x09, 0x209, 0x409, 0x809]);
const MACRO_SHEET = 0x40;
const MAX_RECORDS = 2_000_000;

/** What the records of a Workbook or Book stream tell; linear. */
export function workbookFacts(stream: Octets): { encrypted: boolean; macroSheet: boolean } {
  const facts = { encrypted: false, macroSheet: false };
  const cursor = new Cursor(stream);
  const word = (): number => cursor.next() | (cursor.next() << 8);
  for (let i = 0; i < MAX_RECORDS; i++) {
    const type = word();
    const length = word();
    if (type < 0 || length < 0) break;
    const start = cursor.at;
    if (type === FILEPASS) facts.encrypted = true;
    if (type === BOUNDSHEET && !facts.encrypted) {
      cursor.seek(start + 5);
      if ((cursor.next() & 15) === 1) facts.macroSheet = true;
    }
    if (BOFS.has(type)) {
      cursor.seek(start + 2);
      if (word() === MACRO_SHEET) facts.macroSheet = true;
    }
    cursor.seek(start + length);
  }
  return facts;
}

/** True when the stream "Current User" of a presentation says that it is encrypted. */
export function presentationEncrypted(stream: Octets): boolean {
  const atom = stream.read(0, 16);
  return atom.length === 16 && atom.readUInt32LE(12) === 0xf3d1c4df;
}

const OBJECT_STORAGE = 0x1011;

/** The compound files (embedded objects, macros) among the records of a stream "PowerPoint Document". */
export function* presentationObjects(stream: Octets): Generator<Member> {
  let at = 0;
  for (let i = 0; i < MAX_RECORDS; i++) {
    const head = stream.read(at, 8);
    if (head.length < 8) return;
    const length = head.readUInt32LE(4);
    if (head.readUInt16LE(2) === OBJECT_STORAGE) {
      const storage = octetsWithin(stream, at + 8, length);
      const packed = head.readUInt16LE(0) >> 4 === 1;
      if (packed) yield { names: [], what: "file", octets: () => unpacked(storage) };
      else yield wholeMember(storage);
    }
    at += 8 + length;
  }
}

/** A size and a zlib stream, whose last block may lack its mark: then the size says that it is whole. */
function* unpacked(storage: Octets): Generator<Buffer> {
  const start = storage.read(0, 4);
  const size = start.length === 4 ? start.readUInt32LE(0) : 0;
  let got = 0;
  try {
    for (const piece of new Inflate(storage, 6).pieces()) {
      got += piece.length;
      yield piece;
    }
  } catch (error) {
    if (got !== size) throw error;
  }
}
