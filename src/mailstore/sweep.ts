// Removes what crashed deliveries left in tmp/ of every mailbox: files that nobody changed for 36 hours, the age that the
// Maildir convention names. Run at start and now and then.
import { promises as fs } from "node:fs";
import { closeFile, hasCode, removeFile, statPath } from "./descriptors.ts";
import { below, openBelow, openTop, UnsafeDirectory } from "./directory.ts";
import type { Directory, Owner } from "./directory.ts";

const MAX_AGE_MS = 36 * 60 * 60 * 1000;
/** mail_root/domain/local/Maildir/.Folder/tmp, and a few more for other layouts. */
const MAX_DEPTH = 10;

/** Resolves with the number of files removed. Directories that are not ours are left alone. */
export async function sweepTmp(mailRoot: string, now: number = Date.now()): Promise<number> {
  const { top, owner } = await openTop(mailRoot);
  try {
    return await sweepBelow(top, owner, now - MAX_AGE_MS, 0);
  } finally {
    await closeFile(top.fd);
  }
}

async function sweepBelow(
  at: Directory,
  owner: Owner,
  before: number,
  depth: number,
): Promise<number> {
  const entries = await fs.readdir(below(at, "."), { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const isFolder = ["cur", "new", "tmp"].every((name) => names.includes(name));
  let removed = 0;
  for (const name of names) {
    if (isFolder && (name === "cur" || name === "new")) continue;
    const isTmp = isFolder && name === "tmp";
    if (depth === MAX_DEPTH && !isTmp) continue;
    const child = await openOurs(at, name, owner);
    if (child === null) continue;
    try {
      removed += isTmp
        ? await sweepDirectory(child, before)
        : await sweepBelow(child, owner, before, depth + 1);
    } finally {
      await closeFile(child.fd);
    }
  }
  return removed;
}

async function openOurs(at: Directory, name: string, owner: Owner): Promise<Directory | null> {
  try {
    return await openBelow(at, name, owner);
  } catch (error) {
    // Not ours to clean; a delivery into it is refused and alerted.
    if (error instanceof UnsafeDirectory) return null;
    throw error;
  }
}

async function sweepDirectory(tmp: Directory, before: number): Promise<number> {
  let removed = 0;
  for (const name of await fs.readdir(below(tmp, "."))) {
    const stats = await statPath(below(tmp, name));
    if (stats === null || !stats.isFile() || stats.mtimeMs >= before) continue;
    try {
      await removeFile(below(tmp, name));
      removed++;
    } catch (error) {
      // Another process swept it.
      if (!hasCode(error, "ENOENT")) throw error;
    }
  }
  return removed;
}
