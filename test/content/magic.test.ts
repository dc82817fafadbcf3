import { expect, test } from "vitest";
import fc from "fast-check";
import { kindsOf } from "../../src/content/magic.ts";

const pe = (characteristics: number): Buffer => {
  const bytes = Buffer.alloc(256);
  bytes.write("MZ");
  bytes.writeUInt32LE(128, 60);
  bytes.write("PE\0\0", 128);
  bytes.writeUInt16LE(characteristics, 150);
  return bytes;
};
const at = (offset: number, mark: string): Buffer => {
  const bytes = Buffer.alloc(offset + 64);
  bytes.write(mark, offset, "latin1");
  return bytes;
};
const of = (hex: string): Buffer => Buffer.concat([Buffer.from(hex, "hex"), Buffer.alloc(40)]);

test.each<[string, Buffer, string[]]>([
  ["nothing", Buffer.alloc(0), []],
  ["a PE program", pe(0x0102), ["exe", "exe-ms"]],
  ["a PE library", pe(0x2102), ["exe", "exe-ms", "dll"]],
  ["a DOS program", of("4d5a9000"), ["exe", "exe-ms"]],
  ["text that starts with MZ", Buffer.from("MZ is a mark\n"), ["txt"]],
  ["two octets MZ", Buffer.from("MZ"), ["txt"]],
  ["ELF", of("7f454c46"), ["exe"]],
  ["Mach-O", of("cffaedfe"), ["exe"]],
  ["a fat Mach-O", of("cafebabe00000002"), ["exe"]],
  ["a Java class", of("cafebabe00000034"), ["class"]],
  ["a script", Buffer.from("#!/bin/sh\n"), ["exe", "txt"]],
  ["zip", of("504b0304"), ["zip"]],
  ["an empty zip", of("504b0506"), ["zip"]],
  ["rar", of("526172211a0700"), ["rar"]],
  ["7z", of("377abcaf271c"), ["7z"]],
  ["gzip", of("1f8b08"), ["gz"]],
  ["bzip2", Buffer.from("BZh91AY&SY"), ["bz2"]],
  ["xz", of("fd377a585a00"), ["xz"]],
  ["zstd", of("28b52ffd"), ["zst"]],
  ["cab", Buffer.from("MSCF\0\0\0\0"), ["cab"]],
  ["tar", at(257, "ustar"), ["tar"]],
  ["lha", Buffer.from("\x20\x00-lh5-\x00\x00"), ["lha"]],
  ["rpm", of("edabeedb"), ["rpm"]],
  ["deb", Buffer.from("!<arch>\ndebian-binary"), ["deb"]],
  ["cpio", Buffer.from("0707010000"), ["cpio"]],
  ["an OLE document", of("d0cf11e0a1b11ae1"), ["doc"]],
  ["rtf", Buffer.from("{\\rtf1"), ["rtf"]],
  ["pdf", Buffer.from("%PDF-1.7"), ["pdf"]],
  ["pdf after junk", Buffer.from("junk\n%PDF-1.7"), ["pdf"]],
  ["lnk", Buffer.concat([Buffer.from("4c0000000114020000000000c000000000000046", "hex")]), ["lnk"]],
  ["chm", Buffer.from("ITSF\x03\0\0\0"), ["chm"]],
  ["vhdx", Buffer.from("vhdxfile"), ["vhdx"]],
  ["wim", Buffer.from("MSWIM\0\0\0"), ["wim"]],
  ["png", of("89504e470d0a1a0a"), ["png"]],
  ["gif", Buffer.from("GIF89a"), ["gif"]],
  ["jpeg", of("ffd8ffe0"), ["jpg"]],
  ["html", Buffer.from("\n <!DOCTYPE html><html>"), ["html", "txt"]],
  ["html after a comment", Buffer.from("<!-- x --><HTML>"), ["html", "txt"]],
  ["hta", Buffer.from('<html><HTA:APPLICATION id="x">'), ["hta", "html", "txt"]],
  ["text", Buffer.from("Hello, <world>\r\n\t."), ["txt"]],
  ["Latin-1 text", Buffer.from("caf\xe9", "latin1"), ["txt"]],
  ["UTF-16 text", Buffer.from("\ufeffhi", "utf16le"), ["txt"]],
  ["octets of nothing known", of("0001020304"), ["dat"]],
])("%s", (_what, bytes, expected) => {
  expect(kindsOf(bytes)).toEqual(expected);
});

test("an ISO image is known by its mark", () => {
  expect(kindsOf(Buffer.alloc(2_048), Buffer.from("CD001"))).toEqual(["iso", "dat"]);
  expect(kindsOf(Buffer.alloc(2_048), Buffer.from("CD00"))).toEqual(["dat"]);
});

test("never throws, and says something of any octets", () => {
  const start = fc.constantFrom(
    "MZ",
    "\xca\xfe\xba\xbe",
    "#!",
    "RIFF",
    "%PDF",
    "PK",
    "<!--",
    "\xff\xfe",
    "",
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ minLength: 1, maxLength: 300 }), (mark, data) => {
      const kinds = kindsOf(Buffer.concat([Buffer.from(mark, "latin1"), data]));
      expect(kinds.length).toBeGreaterThan(0);
    }),
  );
});
