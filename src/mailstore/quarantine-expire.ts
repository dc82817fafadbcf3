// Keeps the quarantine within its bounds and clears what a crash left. Walks names, opens no message; files that are not
// ours (an old amavis quarantine in the same place, say) are neither counted nor touched.
import type { Dirent } from "node:fs";
import { lstat, opendir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseName, type FileName } from "./quarantine-entry.ts";
import { isMissing } from "./quarantine-files.ts";

export interface Expired {
  readonly removed: number;
  /** What is there after the run. */
  readonly entries: number;
  readonly bytes: number;
  /** True when the limit of the run stopped it before the bounds were met. */
  readonly more: boolean;
}

interface Stored {
  readonly path: string;
  readonly time: number;
  readonly size: number;
}

const DEFAULT_LIMIT = 2_000;

/**
 * Removes entries older than `maxAgeMs`, then the oldest until at most `maxBytes` octets (compressed) are kept; at most
 * `limit` entries in one run, and memory for as many.
 */
export async function expire(
  root: string,
  bounds: { maxAgeMs: number; maxBytes: number; now: Date; limit?: number },
  remove: (jsonPath: string) => Promise<void>,
): Promise<Expired> {
  const limit = bounds.limit ?? DEFAULT_LIMIT;
  const oldest: Stored[] = [];
  let entries = 0;
  let bytes = 0;
  for await (const { path } of storedNames(root)) {
    const stored = await statOf(path);
    entries += 1;
    bytes += stored.size;
    oldest.push(stored);
    if (oldest.length >= 2 * limit + 64) keepOldest(oldest, limit);
  }
  keepOldest(oldest, limit);
  let removed = 0;
  const tooOld = bounds.now.getTime() - bounds.maxAgeMs;
  for (const { path, time, size } of oldest) {
    if (time >= tooOld && bytes <= bounds.maxBytes) break;
    await remove(path);
    removed += 1;
    bytes -= size;
  }
  const left = entries - removed;
  return { removed, entries: left, bytes, more: removed >= limit && left > 0 };
}

/** Removes hidden files of ours that are older than `olderThanMs`, and octets whose entry was never completed. */
export async function sweep(
  root: string,
  bounds: { olderThanMs: number; now: Date },
): Promise<number> {
  const before = bounds.now.getTime() - bounds.olderThanMs;
  let removed = 0;
  for await (const directory of directoriesOf(root)) {
    for await (const { name } of filesOf(directory)) {
      const parsed = parseName(name);
      if (parsed === null || !parsed.hidden) continue;
      const path = join(directory, name);
      const time = await timeOf(path);
      if (time === null || time >= before) continue;
      if (parsed.kind === "json" && name === `.${parsed.stem}.json`) {
        const complete = (await timeOf(join(directory, `${parsed.stem}.json`))) !== null;
        if (!complete) await rm(join(directory, `${parsed.stem}.gz`), { force: true });
      }
      await rm(path, { force: true });
      removed += 1;
    }
  }
  return removed;
}

/** Every visible JSON file of ours, directory by directory. */
export async function* storedNames(
  root: string,
): AsyncGenerator<{ readonly path: string; readonly name: FileName }> {
  for await (const directory of directoriesOf(root)) {
    for await (const { name } of filesOf(directory)) {
      const parsed = parseName(name);
      if (parsed !== null && !parsed.hidden && parsed.kind === "json") {
        yield { path: join(directory, name), name: parsed };
      }
    }
  }
}

async function* directoriesOf(root: string): AsyncGenerator<string> {
  for await (const entry of filesOf(root)) {
    if (entry.isDirectory() && /^[A-Za-z0-9]$/.test(entry.name)) yield join(root, entry.name);
  }
}

async function* filesOf(directory: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(directory, { bufferSize: 256 });
  } catch (error) {
    // Not made yet, or removed by its owner: nothing is kept there.
    if (!isMissing(error)) throw error;
  }
}

async function statOf(jsonPath: string): Promise<Stored> {
  try {
    const { mtimeMs, size } = await lstat(jsonPath.replace(/json$/, "gz"));
    return { path: jsonPath, time: mtimeMs, size };
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Its octets are gone: the entry is of no use and goes first.
    return { path: jsonPath, time: 0, size: 0 };
  }
}

async function timeOf(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function keepOldest(entries: Stored[], limit: number): void {
  entries.sort((a, b) => a.time - b.time);
  if (entries.length > limit) entries.length = limit;
}
