import { deflateRawSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { zip, zipProgram } from "../../../src/content/containers/zip.ts";
import { readMembers } from "./read-members.ts";
import { zipOf } from "./zip-writer.ts";
import type { Written } from "./zip-writer.ts";

const list = async (bytes: Buffer): Promise<(readonly [string, string | null])[]> =>
  (await readMembers(zip, bytes)).members.map(({ names, text }) => [names[0] ?? "", text] as const);

const TWO: Written[] = [
  { name: "a.txt", data: "one one one" },
  { name: "dir/", method: 0 },
  { name: "dir/b.exe", data: "two", method: 0 },
];

describe("reads", () => {
  test.each<[string, Buffer]>([
    ["a plain archive", zipOf(TWO)],
    [
      "one with a comment",
      zipOf(TWO, { comment: Buffer.from("PK\x05\x06 as a comment, but short") }),
    ],
    [
      "one behind other octets, whose offsets count them",
      zipOf(TWO, { prefix: Buffer.alloc(5000, "MZ") }),
    ],
    [
      "one behind other octets, whose offsets do not",
      zipOf(TWO, { prefix: Buffer.alloc(5000, "MZ"), relative: true }),
    ],
    ["Zip64", zipOf(TWO, { wide: true })],
    [
      "Zip64 behind other octets",
      zipOf(TWO, { wide: true, relative: true, prefix: Buffer.alloc(99) }),
    ],
    [
      "sizes behind the octets",
      zipOf(TWO.map((one) => ({ ...one, streamed: one.name !== "dir/" }))),
    ],
  ])("%s", async (_what, bytes) => {
    const read = await readMembers(zip, bytes);
    expect(
      read.members.map(({ names, what, text, defects }) => [names, what, text, defects]),
    ).toEqual([
      [["a.txt"], "file", "one one one", []],
      [["dir/"], "directory", null, []],
      [["dir/b.exe"], "file", "two", []],
    ]);
    expect([read.said, read.broken]).toEqual([[], null]);
  });

  test("an empty archive", async () => {
    expect(await readMembers(zip, zipOf([]))).toMatchObject({
      members: [],
      said: [],
      broken: null,
    });
  });

  test("Zip64 sizes and offsets in the extra field", async () => {
    const extra = Buffer.alloc(28);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    extra.writeBigUInt64LE(3n, 4);
    extra.writeBigUInt64LE(3n, 12);
    const bytes = zipOf([
      {
        name: "a",
        data: "abc",
        method: 0,
        central: { extra, compressed: 0xffffffff, size: 0xffffffff, offset: 0xffffffff },
      },
    ]);
    expect(await list(bytes)).toEqual([["a", "abc"]]);
  });

  test("Deflate64 and Zstandard, and says when it cannot", async () => {
    const data = Buffer.from("abcabcabcabc");
    const read = await readMembers(
      zip,
      zipOf([
        { name: "a", data, method: 9, raw: deflateRawSync(data) },
        { name: "b", data, method: 93, raw: zstdCompressSync(data) },
        { name: "c.exe", data, method: 98, raw: data },
      ]),
    );
    expect(read.members.map(({ names, text, defects }) => [names[0], text, defects])).toEqual([
      ["a", "abcabcabcabc", []],
      ["b", "abcabcabcabc", []],
      ["c.exe", null, ["container-unsupported"]],
    ]);
  });

  test("a truncated archive by its local headers", async () => {
    const read = await readMembers(zip, zipOf(TWO, { withoutEnd: true }));
    expect(read.members.map(({ names, text, defects }) => [names[0], text, defects])).toEqual([
      ["a.txt", "one one one", []],
      ["dir/", null, []],
      ["dir/b.exe", "two", []],
    ]);
    expect(read.broken).toBe("zip: no central directory");
  });

  test("what came before the damage", async () => {
    let seed = 1;
    const next = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
    const data = Buffer.from(Array.from({ length: 60_000 }, next));
    const bytes = zipOf([{ name: "a", data }]);
    bytes.fill(0xff, 40_000, 60_000);
    const { members } = await readMembers(zip, bytes);
    expect(members[0]?.defects).toContain("container-broken");
    expect(members[0]!.text!.length).toBeGreaterThan(10_000);
    expect(data.toString("latin1").startsWith(members[0]!.text!.slice(0, 10_000))).toBe(true);
  });

  test("a stored archive in an archive is no hidden member", async () => {
    const inner = zipOf([{ name: "x.exe", data: "x" }]);
    const read = await readMembers(zip, zipOf([{ name: "in.zip", data: inner, method: 0 }]));
    expect(read.members).toHaveLength(1);
    expect(read.said).toEqual([]);
  });
});

describe("names", () => {
  test("of code page 437, of UTF-8, and both when nothing says which", async () => {
    const names = async (name: Buffer, flags: number): Promise<string[]> =>
      (await readMembers(zip, zipOf([{ name, flags }]))).members[0]!.names;
    expect(await names(Buffer.from([0x81, 0x2e, 0x63]), 0)).toEqual(["ü.c"]);
    expect(await names(Buffer.from("ü.c"), 0x800)).toEqual(["ü.c"]);
    expect(await names(Buffer.from("ü.c"), 0)).toEqual(["ü.c", "├╝.c"]);
    expect(await names(Buffer.from("a\0b.exe"), 0)).toEqual(["a\0b.exe"]);
  });

  test("in the Unicode path of Info-ZIP", async () => {
    const path = Buffer.concat([
      Buffer.from("757010000100000000", "hex"),
      Buffer.from("evilü.exe!"),
    ]);
    path.writeUInt16LE(5 + "evilü.exe!".length + 1, 2);
    const read = await readMembers(zip, zipOf([{ name: "a.txt", extra: path }]));
    expect(read.members[0]?.names).toEqual(["evilü.exe!", "a.txt"]);
  });

  test("that differ between the two headers are all given, and said", async () => {
    const read = await readMembers(
      zip,
      zipOf([{ name: "a.txt", data: "x", local: { name: "a.exe" } }]),
    );
    expect(read.members[0]).toMatchObject({
      names: ["a.txt", "a.exe"],
      defects: ["container-names-differ"],
    });
  });
});

describe("what only some readers see", () => {
  test("a member that the directory does not list", async () => {
    const bytes = zipOf([TWO[0]!, { name: "evil.exe", data: "evil", unlisted: true }, TWO[2]!]);
    const read = await readMembers(zip, bytes);
    expect(read.members.map(({ names, text, defects }) => [names[0], text, defects])).toEqual([
      ["a.txt", "one one one", []],
      ["dir/b.exe", "two", []],
      ["evil.exe", "evil", ["container-hidden-member"]],
    ]);
  });

  test("unlisted members without sizes, stored and deflated", async () => {
    const bytes = zipOf([
      { name: "1", data: "deflated", streamed: true, unlisted: true },
      { name: "2", data: "stored", method: 0, streamed: true, unlisted: true },
      { name: "3", data: "last" },
    ]);
    expect(await list(bytes)).toEqual([
      ["3", "last"],
      ["1", "deflated"],
      ["2", "stored"],
    ]);
  });

  test("an archive in front of the archive", async () => {
    const front = zipOf([{ name: "front.exe", data: "front" }]);
    expect(await list(zipOf(TWO.slice(0, 1), { prefix: front }))).toEqual([
      ["a.txt", "one one one"],
      ["front.exe", "front"],
    ]);
    expect(await list(zipOf(TWO.slice(0, 1), { prefix: front, relative: true }))).toEqual([
      ["a.txt", "one one one"],
      ["front.exe", "front"],
    ]);
  });

  test("an archive in the comment, or behind the end", async () => {
    const behind = zipOf([{ name: "behind.exe", data: "behind" }]);
    for (const bytes of [
      zipOf(TWO.slice(0, 1), { comment: behind }),
      zipOf(TWO.slice(0, 1), { suffix: behind }),
    ]) {
      const names = (await list(bytes)).map(([name]) => name);
      expect(names.sort()).toEqual(["a.txt", "behind.exe"]);
    }
  });

  test("a listed name whose local header lies where only another count of offsets finds it", async () => {
    const decoy = zipOf([{ name: "a.txt", data: "harmless" }], { withoutEnd: true });
    const bytes = zipOf([{ name: "a.txt", data: "evil" }], { prefix: decoy, relative: true });
    const texts = (await list(bytes)).map(([, text]) => text);
    expect(texts.sort()).toEqual(["evil", "harmless"]);
  });

  test("octets behind the end of a deflated stream", async () => {
    const evil = zipOf([{ name: "evil.exe", data: "evil" }], { withoutEnd: true });
    const raw = Buffer.concat([deflateRawSync("good"), evil]);
    const read = await readMembers(zip, zipOf([{ name: "a.txt", data: "good", raw }]));
    expect(read.members.map(({ names, text }) => [names[0], text])).toEqual([
      ["a.txt", "good"],
      ["evil.exe", "evil"],
    ]);
    expect(read.said).toContain("container-headers-differ");
  });

  test("a stream that is longer than the headers say", async () => {
    const raw = deflateRawSync("good and long ".repeat(20));
    const bytes = zipOf([
      {
        name: "a",
        data: "good",
        raw,
        central: { compressed: 4, size: 4 },
        local: { compressed: 4, size: 4 },
      },
    ]);
    const read = await readMembers(zip, bytes);
    expect(read.members[0]?.text).toBe("good and long ".repeat(20));
    expect(read.said).toContain("container-headers-differ");
  });

  test("a method that differs between the headers is read both ways", async () => {
    const raw = deflateRawSync("packed");
    const bytes = zipOf([{ name: "a", data: "packed", method: 0, raw, local: { method: 8 } }]);
    const read = await readMembers(zip, bytes);
    expect(read.members.map(({ text }) => text)).toEqual([raw.toString("latin1"), "packed"]);
    expect(read.members[0]?.defects).toEqual(["container-headers-differ"]);
  });

  test("members that share octets", async () => {
    const one = { name: "a", data: "x".repeat(100), method: 0 };
    const read = await readMembers(
      zip,
      zipOf([one, { ...one, name: "b", central: { offset: 0 } }]),
    );
    expect(read.said).toContain("container-overlap");
  });

  test("octets behind the end are said", async () => {
    const read = await readMembers(zip, zipOf(TWO, { suffix: Buffer.from("junk") }));
    expect(read.said).toEqual(["container-trailing-data"]);
  });

  test("a constant in a program that unpacks itself is no member", async () => {
    const stub = Buffer.concat([
      Buffer.from("MZ"),
      Buffer.alloc(300),
      Buffer.from("PK\x03\x04\x0f\x84\x33\xc0\xe8\x12\x00\x00"),
      Buffer.alloc(200, 0x90),
    ]);
    const read = await readMembers(zip, zipOf(TWO, { prefix: stub, relative: true }));
    expect(read.members).toHaveLength(3);
  });
});

describe("a program", () => {
  test("with an archive behind it gives its members", async () => {
    const bytes = zipOf(TWO, { prefix: Buffer.alloc(5000, "MZ"), relative: true });
    expect((await readMembers(zipProgram, bytes)).members).toHaveLength(3);
  });

  test("without one, or with the marks of one, gives none and is not said to be broken", async () => {
    const marks = Buffer.concat([
      Buffer.alloc(500, "MZ"),
      Buffer.from("PK\x05\x06PK\x01\x02PK\x03\x04"),
      Buffer.alloc(99),
    ]);
    for (const bytes of [
      Buffer.alloc(5000, "MZ"),
      marks,
      Buffer.concat([marks, Buffer.from("PK\x05\x06"), Buffer.alloc(18)]),
    ])
      expect(await readMembers(zipProgram, bytes)).toMatchObject({
        members: [],
        said: [],
        broken: null,
      });
  });

  test("with a document behind it is no document", async () => {
    const types =
      '<Types><Override ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/></Types>';
    const bytes = zipOf([{ name: "[Content_Types].xml", data: types }], {
      prefix: Buffer.alloc(500, "MZ"),
    });
    // Only "zip" is taken away from what the magic says.
    expect((await readMembers(zipProgram, bytes)).said).toEqual(["zip=docm", "MACRO"]);
  });
});

describe("encrypted", () => {
  test("members have names and no octets", async () => {
    const read = await readMembers(
      zip,
      zipOf([
        { name: "a.exe", data: "x", flags: 1 },
        { name: "b", data: "x" },
      ]),
    );
    expect(read.said).toEqual(["encrypted"]);
    expect(read.members[0]).toMatchObject({ names: ["a.exe"], encrypted: true, text: null });
    expect(read.members[1]).toMatchObject({ encrypted: false, text: "x" });
  });

  test("by one header only is read, and said", async () => {
    const read = await readMembers(
      zip,
      zipOf([{ name: "a.exe", data: "x", flags: 1, local: { flags: 0 } }]),
    );
    expect(read.members[0]).toMatchObject({
      text: "x",
      encrypted: false,
      defects: ["container-headers-differ", "container-encrypted"],
    });
  });
});

test("pieces of a split archive say so", async () => {
  expect((await readMembers(zip, zipOf(TWO, { disk: 1 }))).said).toContain("container-split");
  const first = Buffer.concat([Buffer.from("PK\x07\x08"), zipOf(TWO, { withoutEnd: true })]);
  const read = await readMembers(zip, first);
  expect(read.said).toContain("container-split");
  expect(read.members).toHaveLength(3);
});

test("ten gigabytes of zeros come in small pieces, and only those that are asked for", async () => {
  const hundred = deflateRawSync(Buffer.alloc(100_000_000), { finishFlush: 2 });
  const raw = Buffer.concat(Array.from({ length: 100 }, () => hundred));
  const started = process.cpuUsage();
  const read = await readMembers(zip, zipOf([{ name: "zeros", raw }]), 50_000_000);
  const { user, system } = process.cpuUsage(started);
  expect(read.members[0]!.text!.length).toBeLessThan(51_000_000);
  expect(read.longestPiece).toBeLessThanOrEqual(256 * 1024);
  expect(user + system).toBeLessThan(5e6);
});

test("whatever the octets are, only Broken is thrown, and soon", async () => {
  const sound = zipOf(
    [
      ...TWO,
      {
        name: "[Content_Types].xml",
        data: '<Types><Override ContentType="application/x"/></Types>',
      },
      { name: "z", data: "zzz", streamed: true },
      { name: "in.zip", data: zipOf(TWO), method: 0 },
      { name: "zs", data: "abc", method: 93, raw: zstdCompressSync("abc".repeat(99)) },
    ],
    { wide: true, comment: Buffer.from("c") },
  );
  const change = fc.tuple(
    fc.nat(sound.length - 1),
    fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 80, 75)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 8 }),
      fc.nat(sound.length),
      async (changes, cut) => {
        const bytes = Buffer.from(cut % 4 === 0 ? sound.subarray(0, cut) : sound);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        await readMembers(zip, bytes);
      },
    ),
    { numRuns: 700 },
  );
});
