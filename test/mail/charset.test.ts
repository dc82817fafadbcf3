// Charsets of file names: what a mail program that knows them makes of an extension, we see too.
import { expect, it } from "vitest";
import { decodeCharset } from "../../src/mail/charset.ts";

const decoded = (octets: string, charset: string): string =>
  decodeCharset(Buffer.from(octets, "latin1"), charset);

it.each([
  ["hz-gb-2312", "invoice.e~{~}xe"],
  ["HZ", "invoice~\n.exe"],
  ["iso-2022-kr", "\x1b$)Cinvoice.e\x0e\x0fxe"],
  ["csISO2022KR", "invoice.\x0e\x0fexe"],
  ["iso-2022-cn", "\x1b$)Ainvoice.e\x0e\x0fx\x1bNe"],
  ["iso-2022-cn-ext", "\x1b$+Iinvoice.\x1bOexe"],
  ["iso-2022-jp", "invoice.e\x1b(Bxe"],
  ["utf-7", "invoice.+AGU-xe"],
])("shifts of %s do not hide an extension", (charset, octets) => {
  expect(decoded(octets, charset)).toBe("invoice.exe");
});

it.each(["euc-kr", "big5", "gbk", "shift_jis", "euc-jp"])(
  "no octet of %s takes the dot of an extension with it",
  (charset) => {
    for (let lead = 0x80; lead < 0x100; lead++)
      expect(decoded(`invoice${String.fromCharCode(lead)}.exe`, charset)).toMatch(/\.exe$/);
  },
);

it("a tilde that stands for itself stays", () => {
  expect(decoded("a~~~{b~}~~c~d", "hz-gb-2312")).toBe("a~b~c~d");
});

it.each(["x-unknown", "hz", "iso-2022-kr"])("ASCII survives in %s", (charset) => {
  expect(decoded("readme.txt", charset)).toBe("readme.txt");
});
