// Documents with random changes: no format may throw anything but Broken, take long, or hand out large pieces. FUZZ_RUNS sets how
// many are tried of each (20,000 in all took no single one over a second).
import { deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import fc from "fast-check";
import type { Format } from "../../../src/content/containers/format.ts";
import { html } from "../../../src/content/containers/html.ts";
import { lnk } from "../../../src/content/containers/lnk.ts";
import { ole } from "../../../src/content/containers/ole.ts";
import { onenote } from "../../../src/content/containers/onenote.ts";
import { pdf } from "../../../src/content/containers/pdf.ts";
import { rtf } from "../../../src/content/containers/rtf.ts";
import { tnef } from "../../../src/content/containers/tnef.ts";
import { compound, native, packaged, u16, u32, vba } from "./compound-writer.ts";
import { readMembers } from "./read-members.ts";
import { attachment, attribute, properties, property, winmail } from "./tnef-writer.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 400);
const EXE = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62), Buffer.from("program")]);
const LZFU = Buffer.concat([
  u32(99),
  u32(99),
  Buffer.from("LZFu"),
  u32(0),
  Buffer.alloc(60, "\x10abcd"),
]);
const PACKED = deflateSync(EXE);

const WORD = compound({
  WordDocument: Buffer.alloc(5_000, 1),
  Macros: { VBA: vba({ M: 'Attribute VB_Name = "M"\r\nSub AutoOpen()\r\n' }) },
  ObjectPool: { _1: { "\x01Ole10Native": native("a.exe", EXE), "\x01Ole": Buffer.alloc(20, 1) } },
});
const STORED = Buffer.concat([u32(WORD.length), deflateSync(WORD)]);
const SAMPLES: readonly [Format, Buffer][] = [
  [ole, WORD],
  [
    ole,
    compound(
      { Workbook: Buffer.alloc(6_000, "\x09\x08\x10\0\0\x06\x05\0"), Package: EXE },
      { sector: 4096 },
    ),
  ],
  [
    ole,
    compound({
      "PowerPoint Document": Buffer.concat([u16(0x10), u16(0x1011), u32(STORED.length), STORED]),
      "Current User": Buffer.alloc(40, 1),
    }),
  ],
  [
    ole,
    compound({
      "__properties_version1.0": Buffer.alloc(64),
      "__substg1.0_10090102": LZFU,
      "__attach_version1.0_#00000000": { "__substg1.0_37010102": EXE, "__substg1.0_3707001F": EXE },
    }),
  ],
  [
    rtf,
    Buffer.from(
      `{\\rtf1{\\*\\template http://a/}{\\field{\\*\\fldinst DDE x}}{\\object\\objupdate{\\*\\objdata 0105000002000000` +
        `080000005061636b616765000000000000000000${packaged("a.exe", EXE).toString("hex")}{\\*\\x 41}\\bin3 abc}}}`,
    ),
  ],
  [
    pdf,
    Buffer.concat([
      Buffer.from(
        "%PDF-1.7\n1 0 obj<</S/JavaScript/JS(x)/XFA[(a)8 0 R]/F(a.exe)/EF<</F 8 0 R>>>>endobj\n",
      ),
      Buffer.from(
        `8 0 obj<</Type/EmbeddedFile/Filter/FlateDecode/Length ${PACKED.length}>>stream\n`,
      ),
      ...[
        PACKED,
        Buffer.from("\nendstream\n9 0 obj<</Type/ObjStm/Filter[/A85/LZW/RL/AHx]>>stream\n"),
      ],
      Buffer.from(
        '87cURD]i,"Ebo80~>\nendstream\ntrailer<</ID[<00>]/Encrypt<</Filter/Standard/V 4/R 4/P -4',
      ),
      Buffer.from(`/O<${"00".repeat(32)}>/U<${"00".repeat(32)}>>>>>`),
    ]),
  ],
  [
    tnef,
    winmail(
      attachment("A~1.EXE", "a.exe", EXE),
      attribute(
        1,
        0x00069003,
        properties(property(0x1009, LZFU, 0x102), property(0x1013, "x", 0x1e)),
      ),
    ),
  ],
  [
    onenote,
    Buffer.concat([
      Buffer.alloc(64),
      ...[
        Buffer.from("e716e3bd65261145a4c48d4d0b7a9eac", "hex"),
        u32(EXE.length),
        Buffer.alloc(16),
        EXE,
      ],
      Buffer.from("<ifndf>{01234567-89ab-cdef-0123-456789abcdef}", "utf16le"),
      ...[u32(4), Buffer.from(".exe", "utf16le"), u32(0x10000094), Buffer.alloc(12)],
      Buffer.from("67452301ab89efcd0123456789abcdef", "hex"),
      ...[
        u16(2),
        u32(0x1c001c01),
        u32(0x1c001d73),
        u32(2),
        Buffer.from("a\0"),
        u32(4),
        Buffer.from("b\0c\0"),
      ],
    ]),
  ],
  [
    lnk,
    Buffer.concat([Buffer.alloc(20), u32(0xff), Buffer.alloc(52), Buffer.alloc(200, "\x10\0\0\0")]),
  ],
  [
    html,
    Buffer.from(
      `<a download="a.exe" href="data:a/b;base64,${EXE.toString("base64")}"><script>x('${EXE.toString("base64")}'+"YQ"` +
        `)</script><a href='data:a/b,%4d%5a'>`,
    ),
  ],
];

/** Changes that hurt: octets, numbers at their limits, pieces that are lost, doubled or moved. */
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  from: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.nat({ max: 64 }),
  put: fc.oneof(
    fc.constantFrom(
      "00",
      "ff",
      "ffffffff",
      "feffffff",
      "00000080",
      "ffffff7f",
      "01000000",
      "7b",
      "7d",
      "5c",
      "3c3c",
      "28",
    ),
    fc.uint8Array({ maxLength: 8 }).map((octets) => Buffer.from(octets).toString("hex")),
  ),
  how: fc.constantFrom("set", "set", "set", "cut", "copy", "end"),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function changed(sample: Buffer, changes: readonly Change[]): Buffer {
  let bytes = Buffer.from(sample);
  for (const { at, from, length, put, how } of changes) {
    const place = Math.floor(at * bytes.length);
    const octets = Buffer.from(put, "hex");
    if (how === "set") octets.copy(bytes, place);
    if (how === "cut")
      bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + length)]);
    if (how === "end") bytes = bytes.subarray(0, place + 1);
    if (how === "copy") {
      const source = Math.floor(from * bytes.length);
      const piece = bytes.subarray(source, source + length * 8);
      bytes = Buffer.concat([bytes.subarray(0, place), piece, bytes.subarray(place)]);
    }
  }
  return bytes;
}

test.each(SAMPLES.map(([format, sample], i) => [`${format.name} ${i}`, format, sample] as const))(
  "%s",
  async (_name, format, sample) => {
    const whole = await readMembers(format, sample);
    expect(whole.members.length + whole.said.length).toBeGreaterThan(0);
    let slowest = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const started = process.cpuUsage();
        const { longestPiece } = await readMembers(format, changed(sample, changes), 100_000);
        slowest = Math.max(slowest, process.cpuUsage(started).user / 1_000);
        expect(longestPiece).toBeLessThanOrEqual(256 * 1024);
      }),
      { numRuns: RUNS },
    );
    expect(slowest).toBeLessThan(1_000);
  },
  600_000,
);
