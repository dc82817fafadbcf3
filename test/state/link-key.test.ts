// The key of release links: one for all who ask at once, readable to nobody else.
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linkKey, rotateLinkKey } from "../../src/state/link-key.ts";

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-key-"));
  file = join(dir, "link.key");
});
afterEach(() => rm(dir, { recursive: true }));

test("is made at first use, the same for all, 0600, and leaves nothing else", async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => linkKey(file)));
  expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
  expect(keys[0]).toHaveLength(32);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(dir)).toEqual(["link.key"]);
});
test("a new one takes its place", async () => {
  const old = await linkKey(file);
  await rotateLinkKey(file);
  expect((await linkKey(file)).equals(old)).toBe(false);
  expect(await readdir(dir)).toEqual(["link.key"]);
});
test("one that others can read, or that is no key, is not used", async () => {
  await linkKey(file);
  await chmod(file, 0o640);
  await expect(linkKey(file)).rejects.toThrow("can be read by others");
  await chmod(file, 0o600);
  await writeFile(file, "short");
  await expect(linkKey(file)).rejects.toThrow("is no key");
});
