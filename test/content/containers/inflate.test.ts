import { constants, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Broken } from "../../../src/content/containers/format.ts";
import { Inflate } from "../../../src/content/containers/inflate.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";

interface Result {
  readonly out: Buffer;
  readonly position: number;
  readonly broken: boolean;
}

function inflate(bytes: Buffer, at = 0, wide = false, limit = 1e7): Result {
  const stream = new Inflate(octetsOf(bytes), at, wide);
  const got: Buffer[] = [];
  let length = 0;
  let broken = false;
  try {
    for (const piece of stream.pieces()) {
      expect(piece.length).toBeLessThanOrEqual(256 * 1024);
      got.push(Buffer.from(piece));
      if ((length += piece.length) > limit) break;
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    broken = true;
  }
  return { out: Buffer.concat(got), position: stream.position, broken };
}

const word = fc.constantFrom("the ", "quick ", "\0\0\0\0", "x".repeat(300), "brown fox");
const text = fc.array(word, { maxLength: 3000 }).map((words) => Buffer.from(words.join("")));
const noise = fc.uint8Array({ maxLength: 3000 }).map((octets) => Buffer.from(octets));

test("unpacks what zlib packed, and knows where it ends", () => {
  const level = fc.constantFrom(0, 1, 6, 9);
  const strategy = fc.constantFrom(
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_FIXED,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
  );
  fc.assert(
    fc.property(text, noise, level, strategy, fc.nat(9), (words, octets, l, s, junk) => {
      const data = Buffer.concat([words, octets, words]);
      const packed = deflateRawSync(data, { level: l, strategy: s });
      const bytes = Buffer.concat([Buffer.alloc(junk, 0xff), packed, Buffer.alloc(junk, 0xff)]);
      const { out, position, broken } = inflate(bytes, junk);
      expect(out.equals(data)).toBe(true);
      expect([position, broken]).toEqual([junk + packed.length, false]);
    }),
    { numRuns: 150 },
  );
});

test("keeps what came before the damage, at every length", () => {
  const data = Buffer.from(Array.from({ length: 3000 }, (_, i) => `${i * i} `).join(""));
  const packed = deflateRawSync(data);
  for (let length = 0; length < packed.length; length += 37) {
    const { out, broken } = inflate(packed.subarray(0, length));
    expect(broken).toBe(true);
    // The last code may have been completed with zeros.
    const sure = Math.max(0, out.length - 300);
    expect(out.subarray(0, sure).equals(data.subarray(0, sure))).toBe(true);
  }
  expect(inflate(packed.subarray(0, packed.length - 5)).out.length).toBeGreaterThan(10_000);
});

test("a stream that ends in zeros is cut off without its last octet", () => {
  // The end of a block in the fixed code is seven zeros.
  for (let length = 1; length < 40; length++) {
    const packed = deflateRawSync(Buffer.alloc(length, "ab"), { strategy: constants.Z_FIXED });
    expect(inflate(packed.subarray(0, -1)).broken).toBe(true);
  }
});

test("Deflate64: long matches and distances", () => {
  // One fixed block: "a", length code 285 with 16 bits (65,535 + 3), distance 1, end.
  let bits = "1" + "10";
  const code = (value: number, count: number): string => value.toString(2).padStart(count, "0");
  const low = (value: number, count: number): string => [...code(value, count)].reverse().join("");
  bits += code(0x30 + 97, 8) + code(0xc0 + 5, 8) + low(65_535, 16) + code(0, 5) + code(0, 7);
  const octets = Buffer.from(
    (bits.match(/.{1,8}/g) ?? []).map((eight) => Number.parseInt([...eight].reverse().join(""), 2)),
  );
  const { out, broken } = inflate(octets, 0, true);
  expect([out.length, broken]).toEqual([1 + 65_538, false]);
  expect(out.every((octet) => octet === 97)).toBe(true);
});

test("whatever the octets are, it ends, and throws Broken only", () => {
  const packed = deflateRawSync(Buffer.from("some text, some more text, and text".repeat(20)));
  const changes = fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(changes, fc.uint8Array({ maxLength: 200 }), fc.boolean(), (some, junk, wide) => {
      const bytes = Buffer.from(packed);
      for (const [at, value] of some) bytes[at] = value;
      inflate(bytes, 0, wide, 1e6);
      inflate(Buffer.from(junk), 0, wide, 1e6);
    }),
    { numRuns: 1500 },
  );
});
