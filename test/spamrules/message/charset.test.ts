// Charsets as SpamAssassin guesses them. Expected texts are written as JavaScript strings, octets in hexadecimal.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  textAsDeclared,
  textToUtf8,
  toUtf8Octets,
} from "../../../src/spamrules/message/charset.ts";
import { decodeField } from "../../../src/spamrules/message/encoded-word.ts";
import { isUtf8, repairUtf8 } from "../../../src/spamrules/message/utf8.ts";

const octets = (hex: string): string => Buffer.from(hex, "hex").toString("latin1");
const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

describe("textAsDeclared", () => {
  it.each([
    ["c3a9", "utf-8", true],
    ["c3a9", null, true],
    ["c3a9", "iso-8859-1", false],
    ["e9", "us-ascii", false],
    ["41", "UTF-8", false],
  ])("%s as %s stays; decoded: %s", (hex, charset, wide) => {
    expect(textAsDeclared(octets(hex), charset)).toEqual({ octets: octets(hex), wide });
  });
});

describe("textToUtf8", () => {
  it.each([
    ["c3a9", "iso-8859-1", "é"],
    ["e9", "utf-8", "é"],
    ["e9", null, "é"],
    ["80", "iso-8859-1", "€"],
    ["80", "latin1", "\u0080"],
    ["a1", "iso-8859-2", "Ą"],
    ["c1", "koi8-r", "а"],
    ["c0", "windows-1251", "А"],
    ["98", "windows-1251", "˜"],
    ["81", "windows-1252", "\ufffd"],
    ["d0", "ISO-8859-9", "Ğ"],
    ["c4e3", "gb2312", "你"],
    ["8140", "gb2312", "\ufffd@"],
    ["8140", "gbk", "丂"],
    ["c4e3", "gb18030", "你"],
    ["a4a4", "big5", "中"],
    ["82a0", "shift_jis", "あ"],
    ["a4a2", "euc-jp", "あ"],
    ["b0a1", "euc-kr", "가"],
    ["c6528141a0fea141", "ks_c_5601-1987", "힣갂좤좥"],
    ["1b2429430e304121210f20410e3041", "iso-2022-kr", "걍\u3000 A\u000e0A"],
    ["fffe000041000000ac200000", "utf-32", "A€"],
    ["ac20000041000000", "utf-32le", "€A"],
    ["000020ac00000041", "ucs-4-be", "€A"],
    ["41000000", "utf-32", "A\0\0\0"],
    ["1b2442242224241b2842", "iso-2022-jp", "あい"],
    ["1b244224221b284261c3", "iso-2022-jp", "あa"],
    ["41", "iso-2022-jp", "A"],
    ["48002000690020002100", "utf-16", "H i !"],
    ["004800200069", "utf-16", "H i"],
    ["2b414f6b2d", "utf-7", "é"],
    ["82", "cp437", "é"],
    ["e9", "no-such-charset", "é"],
    ["efbfbf", "utf-8", "ï¿¿"],
  ] as const)("%s as %s", (hex, charset, expected) => {
    expect(textToUtf8(octets(hex), charset).octets).toBe(utf8(expected));
  });

  it("knows what Perl holds for characters", () => {
    expect(textToUtf8("plain", "us-ascii").wide).toBe(false);
    expect(textToUtf8("plain", "iso-2022-jp").wide).toBe(true);
    expect(textToUtf8("\xe9", null).wide).toBe(true);
  });

  it("makes good UTF-8 of anything", () => {
    const charset = fc.constantFrom(
      null,
      "utf-8",
      "koi8-r",
      "gb2312",
      "iso-2022-jp",
      "utf-16",
      "cp1253",
      "euc-kr",
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), charset, (bytes, name) => {
        const text = textToUtf8(Buffer.from(bytes).toString("latin1"), name);
        if (text.wide) expect(repairUtf8(text.octets)).toBe(text.octets);
      }),
    );
  });
});

describe("encoded words", () => {
  it.each([
    ["=?utf-8?Q?a=C3=A9_b?=", "aé b"],
    ["=?utf-8?B?w6k=?= =?utf-8?B?w6k=?=", "éé"],
    ["=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é"],
    ["=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"],
    ["x=?iso-8859-1*de?q?=E4?=y", "xäy"],
    ["=?us-ascii?Q?=E9?=", "\ufffd"],
    ["=?utf-8?Q?=E9?=x", "\ufffdx"],
    ["=?utf-8?X?no?=", "=?utf-8?X?no?="],
    ["=?utf-8?Q?open", "=?utf-8?Q?open"],
    ["=?utf-8?Q?with blank?=", "with blank"],
  ])("%s", (value, expected) => {
    expect(decodeField(value, "subject")).toBe(utf8(expected));
  });

  it("leaves some fields alone", () => {
    for (const name of ["Received", "Message-ID", "resent-date", "List-Id", "References"])
      expect(decodeField("=?utf-8?Q?a?=", name)).toBe("=?utf-8?Q?a?=");
  });

  it("guesses about 8-bit text", () => {
    expect(toUtf8Octets("\xe9", "UTF-8", "guess")).toBe("\xc3\xa9");
    expect(decodeField("\xc3\xa9", "subject")).toBe("\xc3\xa9");
    expect(decodeField("\xe9", "subject")).toBe("\xc3\xa9");
  });
});

describe("isUtf8", () => {
  it.each([
    ["c3a9", true],
    ["f09f9880", true],
    ["f48fbfbd", true],
    ["eda080", false],
    ["efbfbe", false],
    ["efb790", false],
    ["f4908080", false],
    ["c080", false],
    ["c3", false],
  ])("%s: %s", (hex, good) => {
    expect(isUtf8(octets(hex))).toBe(good);
  });

  it("agrees with Node but for non-characters", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12, min: 0x60 }), (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        if (isUtf8(text)) expect(Buffer.from(bytes).toString("utf8")).not.toContain("\ufffd");
      }),
    );
  });
});

it.each([
  ["41b0", "gb2312", "A"],
  ["41c841", "gb2312", "A\ufffdA"],
  ["41b0", "big5", "A"],
  ["41b0", "ks_c_5601-1987", "A"],
  ["41c84141", "ks_c_5601-1987", "A\ufffdAA"],
  ["a74ba74f", "gb2312", "\ufffdK\ufffdO"],
])("of an encoded word %s as %s says what fits", (hex, charset, text) => {
  expect(toUtf8Octets(octets(hex), charset, "insist")).toBe(utf8(text));
});
