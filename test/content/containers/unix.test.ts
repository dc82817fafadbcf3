// Tar, cpio, ar and rpm, written by hand; what the real tools write is read in test/real/zoo.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ar } from "../../../src/content/containers/ar.ts";
import { cpio } from "../../../src/content/containers/cpio.ts";
import type { Format } from "../../../src/content/containers/format.ts";
import { rpm } from "../../../src/content/containers/rpm.ts";
import { tar } from "../../../src/content/containers/tar.ts";
import { kindsOf } from "../../../src/content/magic.ts";
import { readMembers } from "./read-members.ts";

const all = Buffer.concat.bind(Buffer);
const padded = (data: Buffer, to: number): Buffer =>
  all([data, Buffer.alloc((to - (data.length % to)) % to)]);

interface TarMember {
  name: string;
  data?: string | Buffer;
  type?: string;
  /** What the header says. */
  size?: number;
  /** Octets of the size field as they stand. */
  sizeField?: Buffer;
  magic?: string;
  prefix?: string;
}

function tarMember({
  name,
  data = "",
  type = "0",
  magic = "ustar\x0000",
  ...rest
}: TarMember): Buffer {
  const octets = Buffer.from(data);
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write("0000644\0", 100);
  head.write(`${(rest.size ?? octets.length).toString(8).padStart(11, "0")}\0`, 124);
  rest.sizeField?.copy(head, 124);
  head.write(type, 156);
  head.write(magic, 257, "latin1");
  head.write(rest.prefix ?? "", 345);
  head.fill(0x20, 148, 156);
  const sum = head.reduce((total, octet) => total + octet, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return all([head, padded(octets, 512)]);
}
const pax = (key: string, value: string): TarMember => {
  const rest = ` ${key}=${value}\n`;
  const octets = Buffer.byteLength(rest);
  let length = octets;
  while (String(length).length + octets !== length) length = String(length).length + octets;
  return { name: "x", type: "x", data: `${length}${rest}` };
};
const END = Buffer.alloc(1024);
const tarOf = (...members: TarMember[]): Buffer => all([...members.map(tarMember), END]);

const seen = async (format: Format, bytes: Buffer): Promise<unknown[]> => {
  const { members, broken } = await readMembers(format, bytes);
  const rows = members.map(({ names, what, text, defects }) => [
    names.join("|"),
    what === "file" ? text : what,
    ...defects,
  ]);
  return broken === null ? rows : [...rows, broken];
};

describe("tar", () => {
  test.each<[string, Buffer, unknown[]]>([
    [
      "files",
      tarOf({ name: "a", data: "one" }, { name: "b", data: "two" }),
      [
        ["a", "one"],
        ["b", "two"],
      ],
    ],
    ["the old form", tarOf({ name: "a", data: "one", magic: "" }), [["a", "one"]]],
    ["a name in two fields", tarOf({ name: "a", prefix: "long/way" }), [["long/way/a", ""]]],
    [
      "directories",
      tarOf({ name: "d/", type: "5" }, { name: "e/" }),
      [
        ["d/", "directory"],
        ["e/", "directory"],
      ],
    ],
    [
      "links and devices",
      tarOf({ name: "l", type: "2" }, { name: "n", type: "3" }),
      [
        ["l", "link"],
        ["n", "special"],
      ],
    ],
    [
      "a long name of GNU",
      tarOf({ name: "././@LongLink", type: "L", data: "long.exe\0" }, { name: "long", data: "x" }),
      [["long.exe", "x"]],
    ],
    ["a pax name", tarOf(pax("path", "ü.exe"), { name: "old", data: "x" }), [["ü.exe|old", "x"]]],
    [
      "a size in base 256",
      tarOf({ name: "a", data: "one", sizeField: Buffer.from("800000000000000000000003", "hex") }),
      [["a", "one"]],
    ],
    [
      "a sparse file with a map in front",
      tarOf(pax("GNU.sparse.major", "1"), {
        name: "a",
        data: all([padded(Buffer.from("1\n0\n3\n"), 512), Buffer.from("one")]),
      }),
      [["a", "one"]],
    ],
    [
      "a truncated file",
      tarOf({ name: "a", data: "one", size: 5000 }),
      [["a", `one${"\0".repeat(509 + 1024)}`, "container-broken"]],
    ],
    [
      "a damaged header",
      all([tarMember({ name: "a" }), Buffer.alloc(512, "x")]),
      [["a", ""], "tar: bad header"],
    ],
  ])("%s", async (_what, bytes, expected) => {
    expect(await seen(tar, bytes)).toEqual(expected);
  });

  test("members behind the end", async () => {
    const bytes = all([tarOf({ name: "a" }), tarOf({ name: "b.exe", data: "x" })]);
    expect(await seen(tar, bytes)).toEqual([
      ["a", ""],
      ["b.exe", "x", "container-hidden-member"],
    ]);
    const junk = await readMembers(tar, all([tarOf({ name: "a" }), Buffer.from("junk")]));
    expect(junk.said).toEqual(["container-trailing-data"]);
  });

  test("a member in the octets that a pax size skips", async () => {
    const inner = tarMember({ name: "evil.exe", data: "evil" });
    const bytes = all([
      tarMember(pax("size", String(inner.length))),
      tarMember({ name: "a", size: 0 }),
      inner,
      END,
    ]);
    const rows = await seen(tar, bytes);
    expect(rows).toContainEqual(["evil.exe", "evil", "container-hidden-member"]);
    expect(rows[0]).toEqual(["a", inner.toString("latin1")]);
  });

  test("a member in the octets of a link", async () => {
    const inner = tarMember({ name: "evil.exe", data: "evil" });
    const bytes = all([tarMember({ name: "l", type: "1", data: inner }), END]);
    expect(await seen(tar, bytes)).toContainEqual(["evil.exe", "evil", "container-hidden-member"]);
  });

  test("many ways through zeros cost no more than one", async () => {
    const skips = Array.from({ length: 2000 }, (_, i) =>
      tarMember({ name: `${i}`, type: "2", size: 4e6 + i * 512 }),
    );
    const started = process.cpuUsage();
    await readMembers(tar, all([...skips, Buffer.alloc(8e6)]), 1);
    expect(process.cpuUsage(started).user).toBeLessThan(3e6);
  });
});

const newc = (name: string, data = "", mode = 0o100644, magic = "070701"): Buffer => {
  const numbers = [1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = magic + numbers.map((one) => one.toString(16).padStart(8, "0")).join("");
  return all([padded(Buffer.from(`${head}${name}\0`), 4), padded(Buffer.from(data), 4)]);
};
const odc = (name: string, data = ""): Buffer => {
  const o = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
  const head = `070707${o(0, 6)}${o(1, 6)}${o(0o100644, 6)}${o(0, 24)}${o(0, 11)}${o(name.length + 1, 6)}${o(data.length, 11)}`;
  return Buffer.from(`${head}${name}\0${data}`);
};
const binary = (name: string, data: string, big: boolean): Buffer => {
  const words = [0o070707, 0, 1, 0o100644, 0, 0, 1, 0, 0, 0, name.length + 1, 0, data.length];
  const head = Buffer.alloc(26);
  words.forEach((word, i) =>
    big ? head.writeUInt16BE(word, i * 2) : head.writeUInt16LE(word, i * 2),
  );
  return all([head, padded(Buffer.from(`${name}\0`), 2), padded(Buffer.from(data), 2)]);
};
const TRAILER = "TRAILER!!!";

describe("cpio", () => {
  test.each<[string, Buffer]>([
    ["new ASCII", all([newc("a.b", "one"), newc("cc", "four"), newc(TRAILER)])],
    [
      "new ASCII with checksums",
      all([newc("a.b", "one", 0o100644, "070702"), newc("cc", "four"), newc(TRAILER)]),
    ],
    ["old ASCII", all([odc("a.b", "one"), odc("cc", "four"), odc(TRAILER)])],
    [
      "binary",
      all([binary("a.b", "one", false), binary("cc", "four", false), binary(TRAILER, "", false)]),
    ],
    [
      "binary, high octet first",
      all([binary("a.b", "one", true), binary("cc", "four", true), binary(TRAILER, "", true)]),
    ],
  ])("%s", async (_what, bytes) => {
    expect(await seen(cpio, bytes)).toEqual([
      ["a.b", "one"],
      ["cc", "four"],
    ]);
    expect(kindsOf(bytes)).toEqual(["cpio"]);
  });

  test("directories, links, and what follows the end", async () => {
    const bytes = all([
      newc("d", "", 0o040755),
      newc("l", "to", 0o120777),
      newc(TRAILER),
      Buffer.alloc(300),
      newc("x.exe", "x"),
      newc(TRAILER),
    ]);
    expect(await seen(cpio, bytes)).toEqual([
      ["d", "directory"],
      ["l", "link"],
      ["x.exe", "x", "container-hidden-member"],
    ]);
  });

  test("damage", async () => {
    expect(await seen(cpio, newc("a", "one"))).toEqual([["a", "one"], "cpio: cut off"]);
    expect(await seen(cpio, all([newc("a", "one"), Buffer.from("junk, not a header")]))).toEqual([
      ["a", "one"],
      "cpio: bad header",
    ]);
  });
});

const arMember = (name: string, data: string): Buffer =>
  padded(
    Buffer.from(`${name.padEnd(16)}${"0".padEnd(32)}${String(data.length).padEnd(10)}\`\n${data}`),
    2,
  );

describe("ar", () => {
  test("names of System V, GNU and BSD", async () => {
    const bytes = all([
      Buffer.from("!<arch>\n"),
      arMember("//", "a very long name.exe/\nanother.txt/\n"),
      arMember("short/", "one"),
      arMember("/0", "two"),
      arMember("/22", "three"),
      arMember("#1/12", "bsd name.exefour"),
      arMember("plain", "five"),
    ]);
    expect(await seen(ar, bytes)).toEqual([
      ["short", "one"],
      ["a very long name.exe", "two"],
      ["another.txt", "three"],
      ["bsd name.exe", "four"],
      ["plain", "five"],
    ]);
  });

  test("damage", async () => {
    const bytes = all([Buffer.from("!<arch>\n"), arMember("a/", "one"), Buffer.from("junk")]);
    expect(await seen(ar, bytes)).toEqual([["a", "one"], "ar: bad header"]);
    expect(await seen(ar, bytes.subarray(0, 69))).toEqual([["a", "o", "container-broken"]]);
  });
});

test("rpm gives its payload", async () => {
  const header = (store: number): Buffer => {
    const intro = Buffer.alloc(16 + 16 + store);
    intro.writeUInt32BE(0x8eade801, 0);
    intro.writeUInt32BE(1, 8);
    intro.writeUInt32BE(store, 12);
    return intro;
  };
  const lead = Buffer.alloc(96);
  lead.writeUInt32BE(0xedabeedb, 0);
  const bytes = all([lead, padded(header(5), 8), header(3), Buffer.from("PAYLOAD")]);
  expect(await seen(rpm, bytes)).toEqual([["payload.cpio", "PAYLOAD"]]);
  expect(await seen(rpm, bytes.subarray(0, 120))).toEqual(["rpm: bad header"]);
});

test("whatever the octets are, only Broken is thrown", async () => {
  const samples: [Format, Buffer][] = [
    [
      tar,
      tarOf(
        pax("path", "p"),
        { name: "a", data: "one" },
        { name: "s", type: "S", data: "x" },
        { name: "d/", type: "5" },
      ),
    ],
    [cpio, all([newc("a", "one"), newc(TRAILER), newc("b"), newc(TRAILER)])],
    [cpio, all([binary("a", "one", false), odc("b", "two"), binary(TRAILER, "", true)])],
    [
      ar,
      all([
        Buffer.from("!<arch>\n"),
        arMember("//", "x/\n"),
        arMember("/0", "one"),
        arMember("#1/2", "ab"),
      ]),
    ],
  ];
  const sample = fc.nat(samples.length - 1);
  const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 0x30, 0x37)));
  await fc.assert(
    fc.asyncProperty(
      sample,
      fc.array(change, { maxLength: 8 }),
      fc.nat(3000),
      async (which, changes, cut) => {
        const [format, sound] = samples[which]!;
        const bytes = Buffer.from(cut % 3 === 0 ? sound.subarray(0, cut) : sound);
        for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
        await readMembers(format, bytes);
      },
    ),
    { numRuns: 1500 },
  );
});
