// Archives and images of real tools, damaged at random: nothing but Broken is thrown, and no reading takes long.
import fc from "fast-check";
import { expect, test } from "vitest";
import { arj } from "../../../src/content/containers/arj.ts";
import { bzip2 } from "../../../src/content/containers/bzip2.ts";
import { cab } from "../../../src/content/containers/cab.ts";
import { compress } from "../../../src/content/containers/compress.ts";
import { disk } from "../../../src/content/containers/disk.ts";
import type { Format } from "../../../src/content/containers/format.ts";
import { iso } from "../../../src/content/containers/iso.ts";
import { lha } from "../../../src/content/containers/lha.ts";
import { lz4 } from "../../../src/content/containers/lz4.ts";
import { lzip, lzma } from "../../../src/content/containers/lzma-files.ts";
import { rar } from "../../../src/content/containers/rar.ts";
import { sevenZip } from "../../../src/content/containers/sevenzip.ts";
import { xz } from "../../../src/content/containers/xz.ts";
import { rar4, rar5 } from "./rar-writer.ts";
import { readMembers } from "./read-members.ts";
import { image, sample, SAMPLES } from "./samples.ts";

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  "7z": sevenZip,
  xz,
  lzma,
  lz: lzip,
  bz2: bzip2,
  Z: compress,
  lz4,
  cab,
  arj,
  lzh: lha,
};

const CASES: (readonly [Format, Buffer])[] = SAMPLES.map((name) => [
  BY_EXTENSION[name.slice(name.lastIndexOf(".") + 1)]!,
  sample(name),
]);
const members = [
  { name: "a.exe", data: "x".repeat(50) },
  { name: "ü", data: "y", method: 0x33 },
];
CASES.push([rar, rar4(members)], [rar, rar5(members.map((one) => ({ ...one, method: 3 })))]);
CASES.push([iso, image("jr.iso")], [iso, image("udf.iso")], [disk, image("fat.img")]);
CASES.push([disk, image("ntfs.img")], [disk, image("disk.vhd")]);

/** Most of an image is empty: damage is put where something stands. */
function places(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) found.push(i);
  return found;
}
const PLACES = CASES.map(([, bytes]) => places(bytes));

/** Runs by hand can be longer. */
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 400);

test("damaged archives end soon, in nothing but Broken", async () => {
  const damage = fc.array(
    fc.tuple(
      fc.nat(1 << 20),
      fc.nat(3),
      fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
    ),
    { minLength: 1, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(CASES.length - 1), damage, fc.nat(100), async (which, changes, cut) => {
      const [format, original] = CASES[which]!;
      const bytes = Buffer.from(original);
      const somewhere = PLACES[which]!;
      for (const [at, shift, octet] of changes)
        bytes[(somewhere[at % somewhere.length]! + shift) % bytes.length] = octet;
      const whole = cut > 10 ? bytes : bytes.subarray(0, (bytes.length * cut) >> 4);
      const cpu = process.cpuUsage();
      const { longestPiece } = await readMembers(format, whole, 1e6);
      const { user, system } = process.cpuUsage(cpu);
      expect(longestPiece).toBeLessThanOrEqual(256 * 1024);
      expect(user + system).toBeLessThan(5e6);
    }),
    { numRuns: RUNS },
  );
});
