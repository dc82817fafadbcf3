import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { ole } from "../../../src/content/containers/ole.ts";
import { compoundEntries } from "../../../src/content/containers/ole-file.ts";
import { decompressed } from "../../../src/content/containers/ole-vba.ts";
import { octetsOf, pieces } from "../../../src/content/containers/octets.ts";
import { compound, native, u16, u32, vba } from "./compound-writer.ts";
import type { Storage } from "./compound-writer.ts";
import { readMembers } from "./read-members.ts";

const EXE = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62), Buffer.from("program")]);
const LONG = Buffer.alloc(10_000, "0123456789");
const record = (type: number, ...data: Buffer[]): Buffer => {
  const body = Buffer.concat(data);
  return Buffer.concat([u16(type), u16(body.length), body]);
};
const wide = (text: string): Buffer => Buffer.from(text, "utf16le");
const word = (flags: number): Buffer =>
  Buffer.concat([u16(0xa5ec), Buffer.alloc(8), u16(flags), LONG]);
const workbook = (...records: Buffer[]): Buffer =>
  Buffer.concat([
    record(0x809, u16(0x600), u16(5), Buffer.alloc(12)),
    ...records,
    record(10),
    LONG,
  ]);
const sheet = (type: number): Buffer => record(0x85, u32(100), Buffer.from([0, type, 1, 0, 65]));
const user = (token: number): Buffer =>
  Buffer.concat([u32(0x0ff60000), u32(20), u32(20), u32(token), Buffer.alloc(20)]);

describe("says what the file is", () => {
  test.each<[string, Storage, string[]]>([
    ["a Word document", { WordDocument: word(0) }, ["doc"]],
    ["one with a password", { WordDocument: word(0x100) }, ["doc", "encrypted"]],
    ["a workbook", { Workbook: workbook(sheet(0)) }, ["xls"]],
    ["an old workbook", { Book: workbook(sheet(0)) }, ["xls"]],
    ["a macro sheet", { Workbook: workbook(sheet(0), sheet(1)) }, ["xls", "MACRO"]],
    [
      "a macro sheet seen from its start",
      { Workbook: workbook(record(0x809, u16(0x600), u16(0x40))) },
      ["xls", "MACRO"],
    ],
    ["a locked workbook", { Workbook: workbook(record(0x2f, u16(1))) }, ["xls", "encrypted"]],
    ["a presentation", { "PowerPoint Document": LONG, "Current User": user(0xe391c05f) }, ["ppt"]],
    [
      "a locked presentation",
      { "PowerPoint Document": LONG, "Current User": user(0xf3d1c4df) },
      ["ppt", "encrypted"],
    ],
    ["OOXML with a password", { EncryptionInfo: LONG, EncryptedPackage: LONG }, ["encrypted"]],
    ["rights management", { "\x09DRMContent": LONG }, ["encrypted"]],
    ["a drawing", { VisioDocument: LONG }, ["vsd"]],
    ["a linked object", { "\x01Ole": Buffer.concat([u32(0x2000001), u32(1)]) }, ["EXTERNAL"]],
    ["an object that is not linked", { "\x01Ole": Buffer.concat([u32(0x2000001), u32(0)]) }, []],
  ])("%s", async (_what, content, said) => {
    for (const sector of [512, 4096] as const) {
      const read = await readMembers(ole, compound(content, { sector }));
      expect(read.said).toEqual(said);
      expect(read.members).toEqual([]);
      expect(read.broken).toBeNull();
    }
  });
});

describe("gives what is embedded", () => {
  test("files with all their names, in any storage", async () => {
    const content = {
      WordDocument: word(0),
      ObjectPool: { _1: { "\x01Ole10Native": native("a.exe", EXE) } },
    };
    const read = await readMembers(ole, compound(content));
    expect(read.said).toEqual(["doc", "EMBEDDED"]);
    expect(read.members).toMatchObject([
      { what: "file", text: EXE.toString("latin1"), defects: [] },
    ]);
    expect(read.members[0]!.names).toEqual(["a.exe", "C:\\Users\\x\\a.exe", "C:\\Temp\\a.exe"]);
  });

  test("a cut package as far as it goes", async () => {
    const whole = native("a.exe", LONG);
    const read = await readMembers(ole, compound({ "\x01Ole10Native": whole.subarray(0, 5_000) }));
    expect(read.members).toMatchObject([{ defects: ["container-broken"] }]);
    expect(read.members[0]!.text!.length).toBeGreaterThan(4_000);
  });

  test("a shortcut to a program as a link that starts it", async () => {
    const body = Buffer.from(
      "\x02\0calc.exe\0C:\\W\\calc.exe\0\0\0\x01\0\x01\0C:\\W\\calc.exe\0",
      "latin1",
    );
    const read = await readMembers(
      ole,
      compound({ "\x01Ole10Native": Buffer.concat([u32(body.length), body]) }),
    );
    expect(read.said).toEqual(["EMBEDDED", "LAUNCH"]);
    expect(read.members).toMatchObject([
      { names: ["calc.exe", "C:\\W\\calc.exe"], what: "link", text: null },
    ]);
  });

  test("native data that is no package as it stands", async () => {
    const read = await readMembers(
      ole,
      compound({ "\x01Ole10Native": Buffer.concat([u32(5), EXE]) }),
    );
    expect(read.members).toMatchObject([{ names: [], text: EXE.toString("latin1") }]);
  });

  test("a program in a stream of any name, no ordinary stream", async () => {
    const read = await readMembers(ole, compound({ Package: EXE, Data: LONG, "1Table": LONG }));
    expect(read.members).toMatchObject([{ names: [], text: EXE.toString("latin1") }]);
  });

  test("objects among the records of a presentation, packed or not", async () => {
    const inner = compound({ WordDocument: word(0) });
    const packed = Buffer.concat([u32(inner.length), deflateSync(inner)]);
    const stream = Buffer.concat([
      ...[u16(0x0f), u16(1000), u32(8), Buffer.alloc(8)],
      ...[u16(0x10), u16(0x1011), u32(packed.length), packed],
      ...[u16(0x00), u16(0x1011), u32(inner.length), inner],
    ]);
    const read = await readMembers(ole, compound({ "PowerPoint Document": stream }));
    const text = inner.toString("latin1");
    expect(read.members).toMatchObject([
      { text, defects: [] },
      { text, defects: [] },
    ]);
  });

  test("attachments and bodies of an Outlook message, those of messages within too", async () => {
    const attachment = (name: string): Storage => ({
      "__properties_version1.0": Buffer.alloc(32),
      "__substg1.0_37010102": LONG,
      "__substg1.0_3704001E": Buffer.from("SHORT~1.EXE"),
      "__substg1.0_3707001F": wide(name),
    });
    const content = {
      "__properties_version1.0": Buffer.alloc(64),
      "__substg1.0_10130102": Buffer.from("<html>"),
      "__attach_version1.0_#00000000": attachment("lang.exe"),
      "__attach_version1.0_#00000001": {
        "__substg1.0_3701000D": { "__attach_version1.0_#00000000": attachment("tief.js") },
      },
    };
    const read = await readMembers(ole, compound(content));
    expect(read.said).toEqual(["msg"]);
    expect(read.members).toMatchObject([
      { names: [], text: "<html>" },
      { names: ["lang.exe", "SHORT~1.EXE"], text: LONG.toString() },
      { names: ["tief.js", "SHORT~1.EXE"], text: LONG.toString() },
    ]);
  });

  test("the cabinets and binaries of an installer under their plain names", async () => {
    const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
    // Two letters a unit, and one for what is left.
    const packed = (name: string): string =>
      name.replace(/..?/g, ([a, b]) =>
        b === undefined
          ? String.fromCharCode(0x4800 + letters.indexOf(a!))
          : String.fromCharCode(0x3800 + letters.indexOf(a!) + 64 * letters.indexOf(b)),
      );
    const content = {
      [`\u4840${packed("Property")}`]: LONG,
      [packed("Binary.tool1")]: EXE,
      [packed("data.cab1")]: LONG,
      "\x05SummaryInformation": LONG,
    };
    const clsid = "84100c0000000000c000000000000046";
    for (const options of [{ clsid }, {}]) {
      const read = await readMembers(ole, compound(content, options));
      expect(read.said).toEqual(["msi"]);
      expect(read.members.map(({ names }) => names)).toEqual([["Binary.tool1"], ["data.cab1"]]);
    }
  });
});

describe("macros", () => {
  const source = 'Attribute VB_Name = "M"\r\nSub AutoOpen()\r\nShell "calc"\r\nEnd Sub\r\n';

  test("are members by the list of modules", async () => {
    const content = {
      WordDocument: word(0),
      Macros: { VBA: vba({ Modul1: source, Ünï: source }) },
    };
    const read = await readMembers(ole, compound(content));
    expect(read.said).toEqual(["doc", "MACRO"]);
    expect(read.members.map(({ names, text }) => [names[0], text])).toEqual([
      ["VBA/Modul1", source],
      ["VBA/Ünï", source],
    ]);
  });

  test("are found without the list", async () => {
    const streams = { ...vba({ Modul1: source }, 777), dir: Buffer.from("no list") };
    const read = await readMembers(ole, compound({ _VBA_PROJECT_CUR: { VBA: streams } }));
    expect(read.said).toEqual(["MACRO"]);
    expect(read.members).toMatchObject([{ text: source }]);
  });

  test("are said to be there when their source was taken out", async () => {
    const read = await readMembers(ole, compound({ Macros: { VBA: { _VBA_PROJECT: LONG } } }));
    expect(read.said).toEqual(["MACRO"]);
  });

  // The examples of MS-OVBA 3.2.
  test.each([
    ["0119b000616263646566676800696a6b6c6d6e6f70007172737475762e", "abcdefghijklmnopqrstuv."],
    [
      "012fb00023616161626364658266007061676869" +
        "6a013808616b6c00306d6e6f7006710270041072737475761077" +
        "78797a003c",
      "#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa",
    ],
    ["0103b002614500", "a".repeat(73)],
  ])("unpack %s", (packed, plain) => {
    const octets = octetsOf(Buffer.from(packed, "hex"));
    expect(Buffer.concat([...decompressed(octets)]).toString()).toBe(plain);
  });
});

describe("lies", () => {
  const honest = compound({
    Workbook: workbook(sheet(1)),
    "\x01Ole10Native": native("a.exe", EXE),
  });
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(honest);
    change(bytes);
    return bytes;
  };
  const directory = 512 + honest.readUInt32LE(48) * 512;
  const table = 512 + honest.readUInt32LE(76) * 512;

  test("a chain that runs in a circle ends", async () => {
    const read = await readMembers(
      ole,
      changed((bytes) => {
        for (let i = 0; i < 20; i++) bytes.writeUInt32LE(i % 2, table + 4 * i);
      }),
    );
    const given = read.members.reduce((sum, { text }) => sum + text!.length, 0);
    expect(given).toBeLessThanOrEqual(honest.length);
  });

  test("a directory that runs in a circle ends, and keeps its entries", async () => {
    const read = await readMembers(
      ole,
      changed((bytes) => {
        bytes.writeUInt32LE(1, directory + 128 + 68);
        bytes.writeUInt32LE(0, directory + 128 + 72);
      }),
    );
    expect(read.said).toContain("xls");
    expect(read.members).toMatchObject([
      { names: ["a.exe", "C:\\Users\\x\\a.exe", "C:\\Temp\\a.exe"] },
    ]);
  });

  test("an entry outside the tree is read all the same, and told", async () => {
    const read = await readMembers(
      ole,
      changed((bytes) => bytes.writeUInt32LE(0xffffffff, directory + 128 + 72)),
    );
    expect(read.said).toContain("container-broken");
    expect(read.members).toHaveLength(1);
  });

  test("a stream longer than the file is told", async () => {
    const read = await readMembers(
      ole,
      changed((bytes) => bytes.writeUInt32LE(0x7fffffff, directory + 128 + 120)),
    );
    expect(read.said).toContain("container-broken");
    expect(read.said).toContain("MACRO");
  });

  test("streams that share their sectors cost no more than honest ones, and are told", async () => {
    const records = Buffer.alloc(2_000_000, record(0x20));
    const names = [...Array(600).keys()].map((i) => `${i}`);
    const storages = Object.fromEntries(names.map((name) => [name, { Workbook: Buffer.alloc(1) }]));
    const bytes = compound({ Data: records, ...storages });
    const entries = 512 + bytes.readUInt32LE(48) * 512;
    const start = bytes.readUInt32LE(entries + 128 + 116);
    for (let i = 0; i < 1_200; i++) {
      const at = 512 + bytes.readUInt32LE(48) * 512 + 128 * (i + 2);
      if (bytes[at + 66] !== 2) continue;
      bytes.writeUInt32LE(start, at + 116);
      bytes.writeUInt32LE(records.length, at + 120);
    }
    const started = process.cpuUsage();
    const { said } = await readMembers(ole, bytes);
    expect(said).toContain("container-broken");
    expect(process.cpuUsage(started).user).toBeLessThan(3e6);
  });

  test.each([10, 511, 512, 600])("a file of %i octets is broken", async (length) => {
    const read = await readMembers(ole, honest.subarray(0, length));
    expect(read.broken ?? read.said).not.toEqual([]);
    expect(read.members).toEqual([]);
  });
});

test("gives back every stream of any tree", () => {
  const name = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(..."abcXYZ é\x01") });
  const data = fc
    .tuple(fc.nat(9_000), fc.nat())
    .map(([length, seed]) =>
      Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 255)),
    );
  const leaves = fc.dictionary(name, data, { maxKeys: 5 });
  const storages = fc.dictionary(name, fc.oneof(data, leaves), { maxKeys: 6 });
  const sectors = fc.constantFrom(512 as const, 4096 as const);
  fc.assert(
    fc.property(storages, sectors, fc.boolean(), (content, sector, scattered) => {
      const bytes = compound(content, { sector, scattered });
      const entries = compoundEntries(octetsOf(bytes), (detail) => {
        throw new Error(detail);
      });
      const found = entries
        .filter(({ what }) => what === "stream")
        .map(({ name: own, parent, octets }) => [
          parent!.what === "root" ? "" : parent!.name,
          own,
          Buffer.concat([...pieces(octets, scattered ? 5_000 : 1_000)]).toString("hex"),
        ]);
      const expected = Object.entries(content).flatMap(([key, value]) =>
        Buffer.isBuffer(value)
          ? [["", key, value.toString("hex")]]
          : Object.entries(value).map(([own, octets]) => [key, own, octets.toString("hex")]),
      );
      expect(found).toEqual(expected);
    }),
  );
});
