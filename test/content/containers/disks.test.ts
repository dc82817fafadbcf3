import { describe, expect, test } from "vitest";
import { disk } from "../../../src/content/containers/disk.ts";
import { iso } from "../../../src/content/containers/iso.ts";
import { octetsOf as octetsOfRuns } from "../../../src/content/containers/ntfs-records.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";
import { ISO_OFFSET, kindsOf } from "../../../src/content/magic.ts";
import { readMembers } from "./read-members.ts";
import { image, NOTES } from "./samples.ts";

const isoMark = (bytes: Buffer): Buffer => bytes.subarray(ISO_OFFSET, ISO_OFFSET + 5);

describe("iso", () => {
  test("gives files once, under the names of all trees", async () => {
    const bytes = image("jr.iso");
    expect(kindsOf(bytes.subarray(0, 2048), isoMark(bytes))[0]).toBe("iso");
    const read = await readMembers(iso, bytes);
    const files = read.members.filter(({ what }) => what === "file");
    expect(files.map(({ names, text }) => [names, text])).toContainEqual([
      ["dir/ü.txt", "dir/__.TXT"],
      "x",
    ]);
    expect(files.map(({ names, text }) => [names, text])).toContainEqual([
      ["notes.txt", "NOTES.TXT"],
      NOTES,
    ]);
    expect([read.said, read.broken]).toEqual([[], null]);
  });

  test("reads the UDF tree beside", async () => {
    const bytes = image("udf.iso");
    const both = await readMembers(iso, bytes);
    // Without any ISO 9660 volume the UDF tree is all there is.
    for (
      let sector = 16;
      bytes.toString("latin1", sector * 2048 + 1, sector * 2048 + 6) === "CD001";
      sector++
    )
      bytes.write("BEA01", sector * 2048 + 1);
    expect(kindsOf(bytes.subarray(0, 2048), isoMark(bytes))[0]).toBe("iso");
    const udf = await readMembers(iso, bytes);
    const files = udf.members.filter(({ what }) => what === "file");
    expect(files.map(({ names, text }) => [names[0], text])).toEqual(
      expect.arrayContaining([
        ["notes.txt", NOTES],
        ["dir/ü.txt", "x"],
      ]),
    );
    expect(udf.members).toHaveLength(3);
    expect(both.members.length).toBeGreaterThan(3);
    expect([both.said, udf.said, udf.broken]).toEqual([[], [], null]);
  });

  test("with a UDF that cannot be read says so", async () => {
    const bytes = image("udf.iso");
    bytes.fill(0, 256 * 2048, 257 * 2048);
    // The other places of the anchor.
    bytes.fill(0, bytes.length - 2048);
    bytes.fill(0, bytes.length - 257 * 2048, bytes.length - 256 * 2048);
    const read = await readMembers(iso, bytes);
    expect(read.said).toEqual(["container-broken"]);
    expect(read.members.length).toBeGreaterThan(2);
  });

  test("whose directory holds itself ends", async () => {
    const bytes = image("jr.iso");
    const root = bytes.readUInt32LE(16 * 2048 + 158);
    // "dir" becomes the root again.
    const at = bytes.indexOf("DIR", root * 2048);
    expect(at).toBeGreaterThan(0);
    bytes.writeUInt32LE(root, at - 33 + 2);
    const read = await readMembers(iso, bytes);
    expect(read.members.length).toBeLessThan(20);
    expect(read.said).toEqual([]);
  });

  test("cut off is broken behind what came", async () => {
    const bytes = image("jr.iso");
    const read = await readMembers(iso, bytes.subarray(0, 25 * 2048));
    expect([...read.said, ...read.members.flatMap(({ defects }) => defects)]).toContain(
      "container-broken",
    );
  });
});

describe("disk images", () => {
  const NAMES: Readonly<Record<string, string>> = { "fat.img": "DIR/a long name.txt" };

  test.each(["fat.img", "ntfs.img", "disk.vhd", "disk.vhdx"] as const)("%s", async (name) => {
    const bytes = image(name);
    expect(disk.kinds).toContain(kindsOf(bytes.subarray(0, 2048))[0]);
    const read = await readMembers(disk, bytes);
    const files = read.members.filter(({ what }) => what === "file");
    expect(files).toMatchObject([{ text: NOTES, defects: [] }]);
    expect(files[0]?.names[0]).toBe(NAMES[name] ?? "notes.txt");
    expect([read.said, read.broken]).toEqual([[], null]);
  });

  test("a fixed VHD is a disk with a footer", async () => {
    const footer = image("disk.vhd").subarray(0, 512);
    footer.writeUInt32BE(2, 60);
    const read = await readMembers(disk, Buffer.concat([image("fat.img"), footer]));
    expect(read.members.map(({ names }) => names[0])).toContain("DIR/a long name.txt");
  });

  test("a VHD that differs from another says so", async () => {
    const bytes = image("disk.vhd");
    bytes.writeUInt32BE(4, 60);
    const read = await readMembers(disk, bytes);
    expect(read.broken).toMatch(/differs/);
  });

  test("a volume of another file system is told", async () => {
    const bytes = image("ntfs.img");
    bytes.write("EXFAT   ", 3);
    const read = await readMembers(disk, bytes);
    expect([read.members, read.said]).toEqual([[], ["container-unsupported"]]);
  });

  test("a disk without volumes is told", async () => {
    const bytes = Buffer.alloc(100_000);
    const read = await readMembers(disk, bytes);
    expect(read.broken).toBe("disk: no volume");
  });

  test("a chain of clusters that goes round ends", async () => {
    const bytes = image("fat.img");
    const reserved = bytes.readUInt16LE(14) * 512;
    // Every entry of the table names cluster 2.
    for (let i = 3; i < 300; i += 3) bytes.set([0x02, 0x20, 0x00], reserved + i);
    const read = await readMembers(disk, bytes);
    expect(read.members.length).toBeLessThan(60_000);
  });

  test("volumes of an extended partition are found, one behind the other", async () => {
    const fat = image("fat.img");
    const table = (
      entries: readonly (readonly [type: number, start: number, size: number])[],
    ): Buffer => {
      const sector = Buffer.alloc(512);
      for (const [i, [type, start, size]] of entries.entries()) {
        sector[446 + 16 * i + 4] = type;
        sector.writeUInt32LE(start, 446 + 16 * i + 8);
        sector.writeUInt32LE(size, 446 + 16 * i + 12);
      }
      sector.writeUInt16BE(0x55aa, 510);
      return sector;
    };
    const sectors = fat.length / 512;
    const bytes = Buffer.concat([
      table([[0x0f, 4, 1000]]),
      Buffer.alloc(3 * 512),
      table([
        [1, 2, sectors],
        [5, 2 + sectors, sectors + 1],
      ]),
      Buffer.alloc(512),
      fat,
      table([[1, 1, sectors]]),
      fat,
    ]);
    const read = await readMembers(disk, bytes);
    const files = read.members.filter(({ what }) => what === "file");
    expect(files.map(({ text }) => text)).toEqual([NOTES, NOTES]);
    expect([read.said, read.broken]).toEqual([[], null]);
  });

  test("runs of NTFS count from the one before; holes are zeros", () => {
    const volume = octetsOf(Buffer.from("aaaabbbbccccddddeeee"));
    const geometry = { sector: 512, cluster: 4, record: 1024, table: 0 };
    // Two clusters at 3, a hole of one, one at 3 - 2, one at 1 + 1.
    const runs = Buffer.from("1102030101" + "1101fe" + "110101" + "00", "hex");
    const attribute = { type: 0x80, name: "", flags: 0, inside: null, first: 0 };
    const read = (size: number): string =>
      Buffer.concat([...octetsOfRuns(volume, geometry, { ...attribute, runs, size })]).toString();
    expect(read(20)).toBe("ddddeeee\0\0\0\0bbbbcccc");
    expect(read(14)).toBe("ddddeeee\0\0\0\0bb");
    expect(() => read(99)).not.toThrow();
  });

  test("octets of a file come in pieces that are not larger than a cluster", async () => {
    expect((await readMembers(disk, image("ntfs.img"))).longestPiece).toBeLessThan(70_000);
  });
});
