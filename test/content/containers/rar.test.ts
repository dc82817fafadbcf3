import { describe, expect, test } from "vitest";
import { rar } from "../../../src/content/containers/rar.ts";
import { rar4, rar5 } from "./rar-writer.ts";
import type { Stored } from "./rar-writer.ts";
import { readMembers } from "./read-members.ts";

const THREE: Stored[] = [
  { name: "a.txt", data: "one" },
  { name: "dir", directory: true },
  { name: "ü/中.exe", data: "two" },
];

describe.each([
  ["version 4", rar4],
  ["version 5", rar5],
])("%s", (_version, write) => {
  test("gives members with their octets", async () => {
    const read = await readMembers(rar, write(THREE));
    expect(read.members.map(({ names, what, text }) => [names, what, text])).toEqual([
      [["a.txt"], "file", "one"],
      [["dir"], "directory", null],
      [["ü/中.exe"], "file", "two"],
    ]);
    expect([read.said, read.broken]).toEqual([[], null]);
  });

  test("tells encrypted members from others", async () => {
    const read = await readMembers(
      rar,
      write([{ name: "a", data: "x", encrypted: true }, THREE[0]!]),
    );
    expect(read.members.map(({ names, encrypted, text }) => [names[0], encrypted, text])).toEqual([
      ["a", true, null],
      ["a.txt", false, "one"],
    ]);
  });

  test("tells encrypted names", async () => {
    const read = await readMembers(rar, write(THREE, { sealed: true }));
    expect(read).toMatchObject({ members: [], said: ["encrypted"], broken: null });
  });

  test("tells one of several volumes, and who goes on in the next", async () => {
    const split = [{ name: "a.exe", data: "start", split: true }];
    const read = await readMembers(rar, write(split, { volume: true }));
    expect(read.said).toEqual(["container-split"]);
    expect(read.members).toMatchObject([
      { names: ["a.exe"], text: "start", defects: ["container-split"] },
    ]);
  });

  test("lists on behind a member that cannot be unpacked", async () => {
    const members = [{ name: "bad.exe", data: "no such data", method: 0x33 }, ...THREE];
    const one = write === rar5 ? [{ ...members[0]!, method: 3 }, ...THREE] : members;
    const read = await readMembers(rar, write(one));
    expect(read.members.map(({ names, defects }) => [names[0], defects])).toEqual([
      ["bad.exe", [expect.stringMatching(/^container-(broken|unsupported)$/)]],
      ["a.txt", []],
      ["dir", []],
      ["ü/中.exe", []],
    ]);
  });

  test("keeps what came before the end of a cut file", async () => {
    const whole = write(THREE);
    const read = await readMembers(rar, whole.subarray(0, whole.length - 40));
    expect(read.members[0]).toMatchObject({ names: ["a.txt"], text: "one" });
    expect(read.broken).toBe("rar: ends early");
  });
});

test("the Unicode name of version 4 is built from the plain one", async () => {
  // "?.txt", then: high octet 4e, flags 01 11 .., one octet with the high one (U+4E2D), a run of four from the plain name.
  const coded = Buffer.concat([Buffer.from("?.exe\0"), Buffer.from([0x4e, 0b01110000, 0x2d, 2])]);
  const read = await readMembers(rar, rar4([{ name: coded, data: "x", wide: true }]));
  expect(read.members[0]?.names).toEqual(["中.exe", "?.exe"]);
});

test("a run of a Unicode name is moved by a difference", async () => {
  // "abcd" moved by 1 under the high octet 04: U+0462 to U+0465.
  const coded = Buffer.concat([Buffer.from("abcd\0"), Buffer.from([0x04, 0b11000000, 0x82, 1])]);
  const read = await readMembers(rar, rar4([{ name: coded, data: "x", wide: true }]));
  expect(read.members[0]?.names[0]).toBe("\u0462\u0463\u0464\u0465");
});

test("a name of an old code page keeps its extension", async () => {
  const name = Buffer.from([0x83, 0x65, 0x83, 0x58, 0x2e, 0x65, 0x78, 0x65]);
  const read = await readMembers(rar, rar4([{ name, data: "x" }]));
  expect(read.members[0]?.names[0]).toMatch(/\.exe$/);
});

test("another version says that it is not read", async () => {
  const read = await readMembers(rar, Buffer.from("Rar!\x1a\x07\x05\0........", "latin1"));
  expect(read.broken).toMatch(/newer than 5/);
});
