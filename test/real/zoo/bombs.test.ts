// Files that expand without end or nearly so: each ends in the finding that says which limit was hit, soon and in little memory, and
// the next message is judged meanwhile.
import { constants, deflateRawSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { zipOf } from "../../content/containers/zip-writer.ts";
import type { Written } from "../../content/containers/zip-writer.ts";
import { EICAR, judging } from "./judged.ts";
import type { Judging } from "./judged.ts";

let postern: Judging;
beforeAll(async () => {
  postern = await judging();
  // The first job loads the thread's modules.
  await postern.judge(zipOf([{ name: "a", data: "a" }]), "a.zip");
});
afterAll(() => postern.close());

const MB = 1024 * 1024;

/** So many megabytes of zeros, deflated. */
function zeros(megabytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(64 * MB), { finishFlush: constants.Z_FULL_FLUSH });
  const blocks = Array.from({ length: Math.ceil(megabytes / 64) }, () => block);
  return Buffer.concat([...blocks, deflateRawSync(Buffer.alloc(0))]);
}

const flat = zipOf([{ name: "zeros", raw: zeros(10 * 1024) }]);

function gzipped(megabytes: number): Buffer {
  const one = gzipSync(Buffer.alloc(64 * MB));
  return Buffer.concat(Array.from({ length: megabytes / 64 }, () => one));
}

function nested(levels: number): Buffer {
  let inner = zipOf([{ name: "zeros", raw: zeros(1024) }]);
  for (let level = 0; level < levels; level++) {
    const copies = Array.from({ length: 16 }, (_, i): Written => ({
      name: `${i}.zip`,
      data: inner,
    }));
    inner = zipOf(copies);
  }
  return inner;
}

function deep(levels: number): Buffer {
  let inner = zipOf([{ name: "eicar.txt", data: EICAR }]);
  for (let level = 0; level < levels; level++) inner = zipOf([{ name: "in.zip", data: inner }]);
  return inner;
}

/** Many names for the same octets. */
function overlapping(members: number): Buffer {
  const kernel: Written = { name: "0", raw: zeros(64) };
  const others = Array.from({ length: members }, (_, i): Written => ({
    name: `${i + 1}`,
    unlisted: false,
    raw: Buffer.alloc(0),
    central: { offset: 0, compressed: kernel.raw!.length, size: 64 * MB },
  }));
  return zipOf([kernel, ...others]);
}

/** Each level is the rest of the file: all share the one directory. */
function withinItself(levels: number): Buffer {
  const sound = zipOf([{ name: "q.zip", data: "", method: 0 }]);
  const head = sound.subarray(0, 30 + 5);
  const tail = sound.subarray(30 + 5);
  const file = Buffer.concat([...Array.from({ length: levels }, () => head), tail]);
  const central = file.length - tail.length;
  file.writeUInt32LE(file.length - head.length, central + 20);
  file.writeUInt32LE(file.length - head.length, central + 24);
  return file;
}

test.each<[string, () => Buffer, string, RegExp]>([
  ["10 GB of zeros", () => flat, "zip", /container-too-large/],
  ["10 GB of zeros in gzip", () => gzipped(10 * 1024), "gz", /container-too-large/],
  ["nested copies", () => nested(4), "zip", /container-too-(?:large|many-members)/],
  ["many levels", () => deep(30), "zip", /container-too-deep/],
  [
    "members that share octets",
    () => overlapping(5000),
    "zip",
    /container-too-(?:large|many-members)/,
  ],
  ["an archive within itself", () => withinItself(40), "zip", /container-too-deep/],
  [
    "many empty members",
    () => zipOf(Array.from({ length: 20_000 }, (_, i) => ({ name: `${i}`, data: "" }))),
    "zip",
    /container-too-many-members/,
  ],
])("%s", async (_what, make, extension, limit) => {
  const bytes = make();
  const before = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  let highest = before;
  const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 20);
  const [bomb, next] = await Promise.all([
    postern.judge(bytes, `bomb.${extension}`),
    postern.judge(zipOf([{ name: "eicar.txt", data: EICAR }]), "next.zip"),
  ]);
  clearInterval(watch);
  const { user, system } = process.cpuUsage(cpu);
  expect(bomb.details("UNCHECKED_ARCHIVE_LIMIT").join()).toMatch(limit);
  expect(next.marked("EICAR")).toContain("eicar.txt");
  const seconds = (user + system) / 1e6;
  const grown = (highest - before) / MB;
  expect(seconds).toBeLessThan(4);
  expect(grown).toBeLessThan(300);
});
