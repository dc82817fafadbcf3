import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bzip2 } from "../../../src/content/containers/bzip2.ts";
import { compress } from "../../../src/content/containers/compress.ts";
import type { Format, Report } from "../../../src/content/containers/format.ts";
import { lz4 } from "../../../src/content/containers/lz4.ts";
import { lzip, lzma } from "../../../src/content/containers/lzma-files.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";
import { xz } from "../../../src/content/containers/xz.ts";
import { readMembers } from "./read-members.ts";
import { NOTES, sample } from "./samples.ts";
import type { Sample } from "./samples.ts";

const SILENT: Report = {
  defect: () => undefined,
  attribute: () => undefined,
  kind: () => undefined,
  encrypted: () => undefined,
};

const ONE: readonly (readonly [Sample, Format])[] = [
  ["notes.xz", xz],
  ["notes.lzma", lzma],
  ["notes.lz", lzip],
  ["notes.bz2", bzip2],
  ["notes.Z", compress],
  ["notes.lz4", lz4],
  ["legacy.lz4", lz4],
];

describe.each(ONE)("%s", (name, format) => {
  test("holds one file without a name", async () => {
    const read = await readMembers(format, sample(name));
    expect(read.members).toMatchObject([{ names: [], text: NOTES, defects: [] }]);
    expect([read.said, read.broken]).toEqual([[], null]);
  });

  test("cut off gives what came before", async () => {
    const whole = sample(name);
    // A .Z file has no end of its own; nothing can be missed in it but bits.
    const cut = await readMembers(format, whole.subarray(0, whole.length - 20));
    const [member] = cut.members;
    expect(NOTES.startsWith(member?.text ?? "?")).toBe(true);
    if (format !== compress) expect(member?.defects).toEqual(["container-broken"]);
  });
});

test.each([
  ["two.xz", xz],
  ["two.bz2", bzip2],
] as const)("%s: streams one behind the other are one file", async (name, format) => {
  expect((await readMembers(format, sample(name))).members).toMatchObject([
    { text: NOTES + NOTES },
  ]);
});

test.each([
  ["notes.xz", xz],
  ["notes.bz2", bzip2],
  ["notes.lz", lzip],
  ["notes.lz4", lz4],
] as const)("%s: other octets behind the end are told", async (name, format) => {
  const read = await readMembers(format, Buffer.concat([sample(name), Buffer.from("and more")]));
  expect(read.members).toMatchObject([{ text: NOTES, defects: [] }]);
  expect(read.said).toEqual(["container-trailing-data"]);
});

test("a filter of xz that is not read says so", async () => {
  const read = await readMembers(xz, sample("bcj.xz"));
  expect(read.members[0]?.defects).toEqual(["container-unsupported"]);
});

test("a match of LZMA beyond what was written is damage", async () => {
  // Properties, dictionary, size, then a match at once.
  const bad = Buffer.concat([Buffer.from("5d00001000", "hex"), Buffer.alloc(8, 0xff)]);
  const read = await readMembers(
    lzma,
    Buffer.concat([bad, Buffer.from("00ffff0000"), Buffer.alloc(99, 0xee)]),
  );
  expect(read.members[0]?.defects).toEqual(["container-broken"]);
});

/** Tens of megabytes of zeros as the tools pack them, packed once more by gzip. */
const ZEROS = {
  bzip2:
    "H4sIAAAAAAACA3OKyrA0dIxUC448ybjtBGPEageFAwwCDAwcCgwGZ1g1lwV5BOWETBKZp/ekq2Ch4iTm3AkAnlZQJjIAAAA=",
  lzip: "H4sIAAAAAAACA/OJ8gxgtGRgyP/7///i7f/d7TxEiywTA3dM0ni2uI3957snck2X9Y9a2TB6b6w72dXlq7+Y92b9ssc9yoLBDyIljpZ2PSr/sW1KPU/WgXslnimPXsYEb2K58d2FZ3U8b67by6eHyzq2Twtfs833YaZs/m/vDoEcp9Md9jEM/Rf81qtpTCmUt+1XeVgwb7ly/BuN060Xp87oqtOa+Em99LvkAbYZvjP+3lh/dQL/EdXgH18nmhmyLt3wLv9gga87z8WJgqvWJsjuOrdRXSImsu1lWlDEvpdlayKfPI1m5fh5/NbaP7+DtEvOykUrOP28G2z7QzOF07rhtFbO/a3WH47s1YtfxW/nneY0QZjvv8DkH4UVkT+4z/6fquHGv/JPzb3fswz0wg70t35ubjyQOmr1qNWjVo9aPWr1qNWjVo9aPWr1qNWjVo9aPWr1qNWjVg86q/c0+29xnf3//6tjDQwzjkxxaTh8kpEBCN4JMIABAMl1WEXuEAAA",
  xz: "H4sIAAAAAAACA/trXhURxcDA8uzaFjcmBkVGGQYGBoHzEWf+/xdkzIllYMj/+///4u3/3e08RIssEwN3TNJ4triN/ee7J3JNl/WPWtkwem+sO9nV5au/mPdm/bLHPcqCwQ8iJY6Wdj0q/7FtSj1P1oF7JZ4pj17GBG9iufHdhWd1PG+u28unh8s6tk8LX7PN92GmbP5v7w6BHKfTHfYxDP0X/NaraUwplLftV3lYMG+5cvwbjdOtF6fO6KrTmvhJvfS75AG2Gb4z/t5Yf3UC/xHV4B9fJ5oZsi7d8C7/YIGvO8/FiYKr1ibI7jq3UV0iJrLtZVpQxL6XZWsinzyNZuX4efzW2j+/g7RLzspFKzj9vBts+0MzhdO64bRWzv2t1h+O7NWLX8Vv553mNEGY77/A5B+FFZE/uM/+n6rhxr/yT82937MM9MIO9Ld+bm48kEplq/d4qD+LmP9fgFGb4U1x8PK/+9bVGErN395rmDdywoA0qwP57TeNBthogI0G2GiAjQbYaICNBthogI0G2GiAjQbYaICNBthogJEaYJ0XJjAk0DDAHraf8mMAgsQppgzHNF53MzC+VmpoX873/j8X98Yj6b+ZQJIskVEAk9vLQpARAAA=",
  lz4: "H4sIAAAAAAACA+3csQmEABAAwRNMvgMzwcTE6LEAcxEsQoxtz06+lM8U0SY8ZqrYaMtmqpZtH4eIOoo4AAAAAAAAAAAAAAAAAAAAgNdr57jYCQAAAAAAAAAAAAAAAAAAAEAedgIAAAAAAAAAAAAAAAAAAACQjp0AAAAAAAAAAAAAAAAAAAAApGMnAAAAAAAAAAAAAAAAAAAAAOnYCQAAAAAAAAAAAAAAAAAAAEA6dgIAAAAAAAAAAAAAAAAAAACQzrMT+H3sBAAAXq+/2+7y777rCUHaTkQUzAEA",
} as const;

/** Bombs: the same stream hundreds of times. 60 MB of zeros are read, the rest is left. */
test.each([
  ["bzip2", bzip2],
  ["lzip", lzip],
  ["xz", xz],
  ["lz4", lz4],
] as const)("zeros without end come in pieces: %s", async (name, format) => {
  const stream = gunzipSync(Buffer.from(ZEROS[name], "base64"));
  const bomb = Buffer.concat(Array.from({ length: 300 }, () => stream));
  const before = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  let length = 0;
  let longest = 0;
  for await (const member of format.members(octetsOf(bomb), SILENT))
    for await (const piece of member.octets!()) {
      length += piece.length;
      longest = Math.max(longest, piece.length);
      if (length > 60e6) break;
    }
  expect(length).toBeGreaterThan(60e6);
  expect(longest).toBeLessThanOrEqual(256 * 1024);
  expect(process.cpuUsage(cpu).user).toBeLessThan(12e6);
  expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
});
