import { describe, expect, test } from "vitest";
import { lnk } from "../../../src/content/containers/lnk.ts";
import { onenote } from "../../../src/content/containers/onenote.ts";
import { u16, u32 } from "./compound-writer.ts";
import { readMembers } from "./read-members.ts";

const EXE = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62), Buffer.from("program")]);
const PLAIN = EXE.toString("latin1");
const HEAD = Buffer.concat([
  Buffer.from("e4525c7b8cd8a74daeb15378d02996d3", "hex"),
  Buffer.alloc(1008),
]);
const wide = (text: string): Buffer => Buffer.from(text, "utf16le");
const u64 = (value: number): Buffer => Buffer.concat([u32(value), u32(0)]);
/** FileDataStoreObject. */
const stored = (data: Buffer, size = data.length): Buffer =>
  Buffer.concat([
    Buffer.from("e716e3bd65261145a4c48d4d0b7a9eac", "hex"),
    u64(size),
    Buffer.alloc(12),
    data,
  ]);

/** A declaration with GUID and extension, and a reference from the GUID to the object at `at`. */
function declared(guid: string, extension: string, at: number): Buffer {
  const octets = Buffer.from(guid.replaceAll("-", ""), "hex");
  octets.subarray(0, 4).reverse();
  octets.subarray(4, 6).reverse();
  octets.subarray(6, 8).reverse();
  // 8 octets of place, 4 of length, and the number of the node.
  const reference = Buffer.concat([u32(0x94 | (2 << 27)), u64(at), u32(100), octets]);
  const text = wide(`<ifndf>{${guid}}`);
  return Buffer.concat([text, u32(extension.length), wide(extension), reference]);
}

/** A property set: a number, a counted text, then the name of a file. */
function nameSet(name: string): Buffer {
  const text = wide(`${name}\0`);
  const ids = [u32(0x14001c00), u32(0x1c001c01), u32(0x1c001d73)];
  return Buffer.concat([u16(3), ...ids, u32(9), u32(6), wide("abc"), u32(text.length), text]);
}

describe("OneNote", () => {
  const GUID = "01234567-89ab-cdef-0123-456789abcdef";

  test("embedded files have their names", async () => {
    const second = HEAD.length + stored(EXE).length;
    const file = Buffer.concat([
      HEAD,
      stored(EXE),
      stored(Buffer.from("text")),
      declared(GUID, ".exe", HEAD.length),
      declared(GUID.replace("0123", "4444"), ".txt", second),
      nameSet("rechnung.exe"),
      nameSet("liesmich.txt"),
    ]);
    const { members, said } = await readMembers(onenote, file);
    expect(said).toEqual(["EMBEDDED"]);
    expect(members).toMatchObject([
      { names: ["rechnung.exe"], text: PLAIN },
      { names: ["liesmich.txt"], text: "text" },
    ]);
  });

  test("an extension alone makes a name, and a name that fits nothing goes to all", async () => {
    const start = Buffer.concat([HEAD, stored(EXE)]);
    const only = Buffer.concat([start, declared(GUID, ".hta", HEAD.length)]);
    expect((await readMembers(onenote, only)).members[0]!.names).toEqual(["embedded.hta"]);
    const loose = Buffer.concat([only, nameSet("x.cmd")]);
    expect((await readMembers(onenote, loose)).members[0]!.names).toEqual([
      "embedded.hta",
      "x.cmd",
    ]);
    const unknown = Buffer.concat([start, nameSet("x.cmd")]);
    expect((await readMembers(onenote, unknown)).members[0]!.names).toEqual(["x.cmd"]);
  });

  test("a cut file says so", async () => {
    const { members } = await readMembers(onenote, Buffer.concat([HEAD, stored(EXE, 1_000)]));
    expect(members).toMatchObject([{ text: PLAIN, defects: ["container-broken"] }]);
  });

  test("the form of web services says that it is not read", async () => {
    const file = Buffer.from(HEAD);
    Buffer.from("2fe98d63d4a6c14b9a36b3fc2511a5b7", "hex").copy(file, 48);
    expect((await readMembers(onenote, file)).said).toEqual(["container-unsupported"]);
  });

  test("declarations and references cost one pass, however many there are", async () => {
    const guids = [...Array(1_500).keys()].map((i) => GUID.replace("0123", `${i + 1_000}`));
    const all = guids.map((guid) => declared(guid, ".exe", HEAD.length));
    const file = Buffer.concat([HEAD, stored(EXE), Buffer.alloc(8_000_000, 0x94), ...all]);
    const started = process.cpuUsage();
    const { members } = await readMembers(onenote, file);
    expect(members[0]!.names).toEqual(["embedded.exe"]);
    expect(process.cpuUsage(started).user).toBeLessThan(4e6);
  });

  test("a hundred thousand marks end in a limit", async () => {
    const { members, said } = await readMembers(
      onenote,
      Buffer.alloc(1_600_000, stored(EXE).subarray(0, 16)),
      100,
    );
    expect(said).toContain("container-too-many-members");
    expect(members.length).toBeLessThanOrEqual(1_500);
  });
});

describe("shortcuts", () => {
  /** With target, info, and arguments, as the flags say. */
  const shortcut = (flags: number): Buffer => {
    const head = Buffer.alloc(76);
    Buffer.from("4c0000000114020000000000c000000000000046", "hex").copy(head);
    head.writeUInt32LE(flags, 20);
    const text = "/c calc.exe";
    const letters = Buffer.from(text, (flags & 0x80) !== 0 ? "utf16le" : "latin1");
    return Buffer.concat([
      head,
      ...((flags & 1) !== 0 ? [u16(4), Buffer.alloc(4)] : []),
      ...((flags & 2) !== 0 ? [u32(28), Buffer.alloc(24)] : []),
      ...((flags & 0x20) !== 0 ? [u16(text.length), letters] : []),
      ...[u32(16), Buffer.alloc(12), u32(0)],
    ]);
  };

  test.each([0, 1, 2, 0x20, 0xa0, 0xa3])("start something, flags %i", async (flags) => {
    const read = await readMembers(lnk, shortcut(flags));
    expect(read).toMatchObject({ members: [], said: ["LAUNCH"], broken: null });
  });

  test("what hangs behind one is a member", async () => {
    const { members } = await readMembers(lnk, Buffer.concat([shortcut(0xa3), EXE]));
    expect(members).toMatchObject([{ names: [], text: PLAIN }]);
  });

  test("one whose sizes lead out of it is broken", async () => {
    const read = await readMembers(lnk, shortcut(0xa3).subarray(0, 100));
    expect(read.said).toEqual(["LAUNCH"]);
    expect(read.broken).toContain("out of the shortcut");
  });
});
