import { describe, expect, test } from "vitest";
import { arj } from "../../../src/content/containers/arj.ts";
import type { Format } from "../../../src/content/containers/format.ts";
import { FORMATS } from "../../../src/content/containers/index.ts";
import { lha } from "../../../src/content/containers/lha.ts";
import { UNSUPPORTED } from "../../../src/content/containers/unsupported.ts";
import { kindsOf } from "../../../src/content/magic.ts";
import { readMembers } from "./read-members.ts";
import { NOTES, sample } from "./samples.ts";
import type { Sample } from "./samples.ts";

test.each<[Sample, Format]>([
  ["notes.arj", arj],
  ["fast.arj", arj],
  ["notes.lzh", lha],
  ["lh6.lzh", lha],
  ["lh7.lzh", lha],
])("%s", async (name, format) => {
  const read = await readMembers(format, sample(name));
  expect(read.members).toMatchObject([{ names: ["notes.txt"], text: NOTES, defects: [] }]);
  expect([read.said, read.broken]).toEqual([[], null]);
});

describe("arj", () => {
  test("tells encrypted members", async () => {
    const read = await readMembers(arj, sample("locked.arj"));
    expect(read.members).toMatchObject([{ names: ["notes.txt"], encrypted: true, text: null }]);
  });

  test("tells a part of several", async () => {
    const split = sample("notes.arj");
    // The flags of the second header.
    const second = split.indexOf(Buffer.from([0x60, 0xea]), 4);
    split[second + 4 + 4] = 0x04;
    const read = await readMembers(arj, split);
    expect(read.said).toEqual(["container-split"]);
    expect(read.members[0]?.defects).toEqual(["container-split"]);
  });

  test("of another method lists what it cannot unpack", async () => {
    const other = sample("notes.arj");
    other[other.indexOf(Buffer.from([0x60, 0xea]), 4) + 4 + 5] = 9;
    const read = await readMembers(arj, other);
    expect(read.members).toMatchObject([
      { names: ["notes.txt"], text: null, defects: ["container-unsupported"] },
    ]);
  });

  test("without its end is broken behind what came", async () => {
    const whole = sample("notes.arj");
    const read = await readMembers(arj, whole.subarray(0, whole.length - 4));
    expect(read.members).toMatchObject([{ text: NOTES }]);
    expect(read.broken).toBe("arj: no header");
  });
});

describe("lha", () => {
  /** A header of level 0 for octets that stand as they are. */
  const stored = (name: string, data: string, method = "-lh0-"): Buffer => {
    const head = Buffer.alloc(22);
    head[0] = 22 + name.length;
    head.write(method, 2);
    head.writeUInt32LE(data.length, 7);
    head.writeUInt32LE(data.length, 11);
    head[21] = name.length;
    return Buffer.concat([head, Buffer.from(`${name}\0\0${data}`)]);
  };
  const end = Buffer.alloc(1);

  test("reads level 0", async () => {
    const bytes = Buffer.concat([stored("a.exe", "one"), stored("b\\c", "two"), end]);
    const read = await readMembers(lha, bytes);
    expect(read.members.map(({ names, text }) => [names[0], text])).toEqual([
      ["a.exe", "one"],
      ["b\\c", "two"],
    ]);
  });

  test("lists members of methods that it cannot unpack", async () => {
    const bytes = Buffer.concat([stored("a.exe", "packed", "-lh1-"), stored("b", "two"), end]);
    const read = await readMembers(lha, bytes);
    expect(read.members.map(({ names, text, defects }) => [names[0], text, defects])).toEqual([
      ["a.exe", null, ["container-unsupported"]],
      ["b", "two", []],
    ]);
  });

  test("joins directory and name from extended headers, wide ones too", async () => {
    const head = Buffer.alloc(24);
    head.write("-lh0-", 2);
    head.writeUInt32LE(1, 7);
    head.writeUInt32LE(1, 11);
    head[20] = 2;
    const extension = (type: number, octets: Buffer): Buffer => {
      const size = Buffer.alloc(3);
      size.writeUInt16LE(octets.length + 3);
      size[2] = type;
      return Buffer.concat([size, octets]);
    };
    const all = Buffer.concat([
      head,
      extension(1, Buffer.from("n.exe")),
      extension(2, Buffer.from("d1\xffd2\xff", "latin1")),
      extension(0x44, Buffer.from("ü.exe", "utf16le")),
      extension(0x45, Buffer.from("中\uffff", "utf16le")),
      Buffer.alloc(2),
    ]);
    all.writeUInt16LE(all.length, 0);
    const read = await readMembers(lha, Buffer.concat([all, Buffer.from("x"), end]));
    expect(read.members).toMatchObject([{ names: ["中/ü.exe", "d1/d2/n.exe"], text: "x" }]);
  });
});

describe("what is recognised and not read", () => {
  test.each([
    ["ace", "1234567**ACE**"],
    ["zoo", "ZOO 2.10 Archive.\x1a\0\0\xdc\xa7\xc4\xfd"],
    ["wim", "MSWIM\0\0\0"],
    ["xar", "xar!\0"],
    ["chm", "ITSF\x03\0\0\0"],
    ["qcow", "QFI\xfb"],
    ["vmdk", "KDMV"],
    ["egg", "EGGA\0\x01"],
    ["squashfs", "hsqs"],
  ])("%s says so", async (kind, mark) => {
    const bytes = Buffer.from(mark.padEnd(600, "\0"), "latin1");
    expect(kindsOf(bytes)).toContain(kind);
    const formats = FORMATS.filter(({ kinds }) => kinds.includes(kind));
    expect(formats).toHaveLength(1);
    const read = await readMembers(formats[0]!, bytes);
    expect(read.broken).toMatch(/not read/);
  });

  test.each([
    "ZOO keepers",
    "BZhang wrote",
    "StuffIt is old",
    "LZIP it",
    "EGGA",
    "xar!",
    "MSCF",
    "ITSF",
    "SIT! Good dog.",
  ])("text stays text: %s", (text) => {
    expect(kindsOf(Buffer.from(text))).toEqual(["txt"]);
  });

  test("has no format elsewhere", () => {
    for (const { kinds } of UNSUPPORTED)
      for (const kind of kinds)
        expect(FORMATS.filter((format) => format.kinds.includes(kind))).toHaveLength(1);
  });
});
