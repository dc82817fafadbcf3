import { crc32 } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { cab } from "../../../src/content/containers/cab.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";
import type { Report } from "../../../src/content/containers/format.ts";
import { sevenZip } from "../../../src/content/containers/sevenzip.ts";
import { sfx } from "../../../src/content/containers/sfx.ts";
import { rar4 } from "./rar-writer.ts";
import { readMembers } from "./read-members.ts";
import { NOTES, sample } from "./samples.ts";
import type { Sample } from "./samples.ts";

const wasm = (globalThis as unknown as { WebAssembly: { Instance: new () => object } }).WebAssembly;

const listed = async (name: Sample): Promise<unknown[]> =>
  (await readMembers(sevenZip, sample(name))).members.map(({ names, what, text, encrypted }) => [
    names[0],
    encrypted ? "encrypted" : what,
    text,
  ]);

const SILENT: Report = {
  defect: () => undefined,
  attribute: () => undefined,
  kind: () => undefined,
  encrypted: () => undefined,
};

/** The archive, whose directory is not packed, with two octets changed behind a mark in it. */
function changed(bytes: Buffer, mark: string, behind: number, value: number): Buffer {
  const at = 32 + bytes.readUInt32LE(12);
  const found = bytes.indexOf(Buffer.from(mark, "hex"), at);
  expect(found).toBeGreaterThan(at);
  bytes.writeUInt16LE(value, found + behind);
  bytes.writeUInt32LE(crc32(bytes.subarray(at)), 28);
  bytes.writeUInt32LE(crc32(bytes.subarray(12, 32)), 8);
  return bytes;
}

describe("7z", () => {
  test("gives names and octets", async () => {
    expect(await listed("plain.7z")).toEqual([
      ["dir", "directory", null],
      // Where links are not known it is a file that holds the target.
      ["dir/link", "file", "../notes.txt"],
      ["dir/ü.txt", "file", "x"],
      ["notes.txt", "file", NOTES],
    ]);
  });

  test.each([
    ["a pipe", 0o010644],
    ["a link", 0o120777],
    ["a device", 0o020644],
  ])("%s with octets is a file to Windows", async (what, mode) => {
    const read = await readMembers(sevenZip, changed(sample("open.7z"), "15060100", 6, mode));
    expect(read.members).toMatchObject([{ names: ["a.bin"], what: "file" }]);
    // libarchive gives what stands before a NUL for the target of a link.
    if (what === "a link") expect(read.members[0]?.defects).toEqual(["container-unsupported"]);
    else expect(read.members[0]?.text).toBe("MZ\x01\0\0and more\n");
  });

  test.each(["ppmd.7z", "bcj.7z"] as const)("%s", async (name) => {
    expect(await listed(name)).toEqual([["notes.txt", "file", NOTES]]);
  });

  test("lists all names of encrypted members", async () => {
    expect(await listed("locked.7z")).toEqual([
      ["dir", "directory", null],
      ["dir/link", "encrypted", null],
      ["dir/ü.txt", "encrypted", null],
      ["notes.txt", "encrypted", null],
    ]);
  });

  test("reads the members that are not encrypted beside those that are", async () => {
    expect((await listed("part.7z")).sort()).toEqual([
      ["dir/ü.txt", "encrypted", null],
      ["notes.txt", "file", NOTES],
    ]);
  });

  test("tells that even the names are encrypted", async () => {
    const read = await readMembers(sevenZip, sample("sealed.7z"));
    expect(read).toMatchObject({ members: [], said: ["encrypted"], broken: null });
  });

  test("cut anywhere is broken, and so are entries without end", async () => {
    const whole = sample("plain.7z");
    for (const length of [8, 40, 150, whole.length - 1]) {
      const read = await readMembers(sevenZip, whole.subarray(0, length));
      expect(read.broken).not.toBeNull();
    }
    // 2^56 - 1 entries, none with a name.
    const header = Buffer.from("0105feffffffffffff000000", "hex");
    const start = Buffer.alloc(32);
    start.write("377abcaf271c0004", "hex");
    start.writeUInt32LE(header.length, 20);
    const read = await readMembers(sevenZip, Buffer.concat([start, header]));
    expect(read.broken).not.toBeNull();
  });
});

describe("instances", () => {
  test("of libarchive that trap are replaced", async () => {
    const bad = sample("plain.7z");
    bad.fill(0xff, 32);
    for (let i = 0; i < 10; i++) expect((await readMembers(sevenZip, bad)).broken).not.toBeNull();
    expect(await listed("ppmd.7z")).toEqual([["notes.txt", "file", NOTES]]);
  });

  test("are lent again, so that many archives need few", async () => {
    const started = vi.spyOn(wasm, "Instance");
    const some = ["plain.7z", "ppmd.7z", "bcj.7z"] as const;
    for (let i = 0; i < 100; i++) await readMembers(sevenZip, sample(some[i % 3]!));
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 1000; i++) await readMembers(sevenZip, sample(some[i % 3]!));
    expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
    expect(started.mock.calls.length).toBeLessThan(4);
    started.mockRestore();
  });

  test("refuse memory beyond their bound, whatever dictionary is declared", async () => {
    // LZMA's properties: an octet, then the size of the dictionary; 1.5 GiB.
    const wide = changed(sample("wide.7z"), "5d00100000", 3, 0x6000);
    const read = await readMembers(sevenZip, wide);
    expect(read.members).toMatchObject([{ names: ["notes.txt"], defects: ["container-broken"] }]);
    expect(await listed("wide.7z")).toEqual([["notes.txt", "file", NOTES]]);
  });

  test("are several when archives are open at once", async () => {
    const outer = sevenZip.members(octetsOf(sample("plain.7z")), SILENT);
    const names: string[] = [];
    for await (const { names: some } of outer) {
      names.push(...some);
      expect(await listed("ppmd.7z")).toEqual([["notes.txt", "file", NOTES]]);
    }
    expect(names).toHaveLength(4);
  });
});

describe("cab", () => {
  test.each([
    ["mszip.cab", "notes.txt", NOTES],
    ["stored.cab", "dir\\ü.txt", "x"],
  ] as const)("%s", async (name, member, text) => {
    const read = await readMembers(cab, sample(name));
    expect(read.members).toMatchObject([{ names: [member], text, defects: [] }]);
    expect(read.broken).toBeNull();
  });

  test("of several says so, and lists what goes on", async () => {
    const split = sample("stored.cab");
    split.writeUInt16LE(0xfffe, split.readUInt32LE(16) + 8);
    const read = await readMembers(cab, split);
    expect(read.said).toEqual(["container-split"]);
    expect(read.members[0]).toMatchObject({ names: ["dir\\ü.txt"] });
    expect(read.members[0]?.defects).toContain("container-split");
  });

  test("in Quantum says that it is not read", async () => {
    const quantum = sample("stored.cab");
    quantum.writeUInt16LE(0x1472, 36 + 6);
    const read = await readMembers(cab, quantum);
    expect(read.members[0]?.defects).toContain("container-unsupported");
  });

  test("of InstallShield says that it is not read", async () => {
    const read = await readMembers(cab, Buffer.from("ISc(0123456789"));
    expect(read.broken).toMatch(/InstallShield/);
  });
});

describe("a program that unpacks itself", () => {
  const program = (behind: Buffer, length = 5000): Buffer => {
    const start = Buffer.alloc(length);
    start.write("MZ");
    start.writeUInt32LE(128, 60);
    start.write("PE\0\0", 128);
    start.writeUInt16LE(1, 134);
    // Its one section.
    start.writeUInt32LE(length - 512, 128 + 24 + 16);
    start.writeUInt32LE(512, 128 + 24 + 20);
    return Buffer.concat([start, behind]);
  };

  test.each([
    ["7z", sample("plain.7z"), 4],
    ["cab", sample("mszip.cab"), 1],
    ["rar", rar4([{ name: "a", data: "x" }]), 1],
  ])("holds a %s", async (_what, archive, members) => {
    expect((await readMembers(sfx, program(archive))).members).toHaveLength(members);
    // Behind a program that is larger than what is searched.
    expect((await readMembers(sfx, program(archive, 3e6))).members).toHaveLength(members);
  });

  test("tells an encrypted archive", async () => {
    expect((await readMembers(sfx, program(sample("sealed.7z")))).said).toEqual(["encrypted"]);
  });

  test("is not one when only marks are in it", async () => {
    const marks = Buffer.from("377abcaf271c0004526172211a0700", "hex");
    const read = await readMembers(sfx, program(Buffer.concat([marks, Buffer.alloc(3000)])));
    expect(read).toMatchObject({ members: [], said: [], broken: null });
  });

  test("is read behind marks of its own", async () => {
    const marks = Buffer.from("377abcaf271c0004", "hex");
    const all = Buffer.concat([marks, Buffer.alloc(100), sample("ppmd.7z")]);
    expect((await readMembers(sfx, program(all))).members).toMatchObject([{ text: NOTES }]);
  });
});
