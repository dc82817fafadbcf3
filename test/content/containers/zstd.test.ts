import { constants, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { zstd } from "../../../src/content/containers/zstd.ts";
import { readMembers } from "./read-members.ts";

const DATA = Buffer.from("zstandard ".repeat(50_000));
const FRAME = zstdCompressSync(DATA);
const SKIPPED = Buffer.from("502a4d180400000001020304", "hex");

test.each<[string, Buffer, number, string[], string[]]>([
  ["one frame", FRAME, 1, [], []],
  ["several frames", Buffer.concat([FRAME, FRAME]), 2, [], []],
  ["frames that are to be skipped", Buffer.concat([SKIPPED, FRAME, SKIPPED, FRAME]), 2, [], []],
  [
    "octets behind",
    Buffer.concat([FRAME, Buffer.from("behind it")]),
    1,
    [],
    ["container-trailing-data"],
  ],
  ["cut off", FRAME.subarray(0, -9), 0, ["container-broken"], []],
  [
    "a frame that promises too much",
    Buffer.concat([FRAME, SKIPPED.subarray(0, 9)]),
    1,
    ["container-broken"],
    ["container-trailing-data"],
  ],
])("%s", async (_what, bytes, times, defects, said) => {
  const read = await readMembers(zstd, bytes, 1e7);
  expect(read.members[0]?.defects).toEqual(defects);
  expect(read.said).toEqual(said);
  if (times > 0) expect(read.members[0]?.text).toBe(DATA.toString("latin1").repeat(times));
});

test("a window larger than any writer needs is not read", async () => {
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 };
  const large = zstdCompressSync(DATA, { params });
  // The window's logarithm stands in the first octet behind the frame's descriptor.
  large[5] = (27 - 10) << 3;
  expect((await readMembers(zstd, large)).members[0]?.defects).toEqual(["container-unsupported"]);
});

test("a large file comes in small pieces; as many as are asked for", async () => {
  const read = await readMembers(zstd, zstdCompressSync(Buffer.alloc(200_000_000)), 3e6);
  expect(read.members[0]!.text!.length).toBeLessThan(4e6);
  expect(read.longestPiece).toBeLessThanOrEqual(256 * 1024);
});

test("something else is none", async () => {
  expect((await readMembers(zstd, Buffer.from("something"))).broken).toBe("zstd: no frame");
});
