import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deflateRawSync, gzipSync } from "node:zlib";
import { gzip } from "../../../src/content/containers/gzip.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";

interface Unpacked {
  readonly names: readonly string[];
  readonly octets: Buffer;
  readonly defects: readonly string[];
  /** What was thrown, "" for nothing. */
  readonly thrown: string;
}

async function unpacked(bytes: Buffer): Promise<Unpacked> {
  const defects: string[] = [];
  const report = {
    defect: (kind: string) => void defects.push(kind),
    attribute() {},
    kind() {},
    encrypted() {},
  };
  const out: Buffer[] = [];
  let names: readonly string[] = [];
  try {
    for await (const member of gzip.members(octetsOf(bytes), report)) {
      ({ names } = member);
      for await (const octets of member.octets!()) {
        expect(octets.length).toBeLessThanOrEqual(256 * 1024);
        out.push(Buffer.from(octets));
      }
    }
  } catch (error) {
    return { names, octets: Buffer.concat(out), defects, thrown: (error as Error).message };
  }
  return { names, octets: Buffer.concat(out), defects, thrown: "" };
}

/** A gzip header with these flags and what follows it. */
const headed = (flags: number, fields: Buffer, text = "hello"): Buffer => {
  const plain = gzipSync(text);
  return Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]),
    fields,
    plain.subarray(10),
  ]);
};

describe("gzip", () => {
  it("gives the file, with the name in the header", async () => {
    expect(await unpacked(gzipSync("hello"))).toMatchObject({ names: [], thrown: "", defects: [] });
    const fields = [
      Buffer.from([3, 0, 1, 2, 3]),
      Buffer.from("näme.exe\0"),
      Buffer.from("a comment\0"),
      Buffer.from([9, 9]),
    ];
    const all = await unpacked(headed(2 | 4 | 8 | 16, Buffer.concat(fields)));
    expect(all).toMatchObject({ names: ["näme.exe"], thrown: "" });
    expect(all.octets.toString()).toBe("hello");
    expect((await unpacked(headed(8, Buffer.from("n\xe4me\0", "latin1")))).names).toEqual(["näme"]);
  });

  it("joins several members, and passes over zeros behind them", async () => {
    const two = Buffer.concat([gzipSync("one "), gzipSync(""), gzipSync("two")]);
    const { octets, thrown } = await unpacked(two);
    expect({ text: octets.toString(), thrown }).toEqual({ text: "one two", thrown: "" });
    expect((await unpacked(Buffer.concat([two, Buffer.alloc(600)]))).defects).toEqual([]);
  });

  it("tells of other octets behind the end", async () => {
    const { octets, defects, thrown } = await unpacked(
      Buffer.concat([gzipSync("one"), Buffer.from("PK\x03\x04")]),
    );
    expect({ text: octets.toString(), defects, thrown }).toEqual({
      text: "one",
      defects: ["container-trailing-data"],
      thrown: "",
    });
  });

  it.each([
    ["no gzip", Buffer.from("hello, this is no gzip"), /header/],
    ["another method", Buffer.from("1f8b07000000000000030000000000", "hex"), /header/],
    ["a name without an end", headed(8, Buffer.alloc(70_000, 65)), /header/],
    ["nothing", Buffer.alloc(0), /header/],
    ["a header alone", gzipSync("x").subarray(0, 10), /end early/],
    ["no trailer", gzipSync("hello").subarray(0, -5), /end early/],
  ])("refuses %s", async (_, bytes, why) => {
    expect((await unpacked(bytes)).thrown).toMatch(why);
  });

  it.each([
    ["checksum", -8, /checksum/],
    ["size", -4, /size/],
  ])("finds a wrong %s", async (_, at, why) => {
    const bytes = gzipSync("hello");
    bytes[bytes.length + at]! ^= 1;
    const { octets, thrown } = await unpacked(bytes);
    expect(octets.toString()).toBe("hello");
    expect(thrown).toMatch(why);
  });

  it("gives all that came before damage", async () => {
    const start = Buffer.from("X".repeat(30_000));
    // A stored block, then a block type that does not exist.
    const good = deflateRawSync(start, { level: 0 });
    good[0]! &= ~1;
    const bytes = Buffer.concat([gzipSync("").subarray(0, 10), good, Buffer.alloc(100, 0xff)]);
    const { octets, thrown } = await unpacked(bytes);
    expect(octets.equals(start)).toBe(true);
    expect(thrown).not.toBe("");
  });

  it("gives a prefix of the file for any piece of it, and ends for any damage", async () => {
    const whole = Buffer.concat([randomBytes(40_000), Buffer.alloc(200_000, "ab")]);
    const packed = gzipSync(whole);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(packed.length - 1),
        fc.nat(packed.length - 1),
        fc.nat(255),
        async (cut, at, octet) => {
          const piece = await unpacked(packed.subarray(0, cut));
          expect(whole.subarray(0, piece.octets.length).equals(piece.octets)).toBe(true);
          expect(piece.thrown).not.toBe("");
          const changed = Buffer.from(packed);
          changed[at] = octet;
          await unpacked(changed);
        },
      ),
      { numRuns: 60 },
    );
  });
});
