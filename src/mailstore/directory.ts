// Directories below mail_root, opened component by component without following links, each with its owner and mode checked.
// Node has no openat(2): a path through /proc/self/fd/N names "below this open directory" and is as safe, because the kernel
// resolves it from the descriptor, whatever the path above has become. Used by the files beside it only.
import { constants, promises as fs } from "node:fs";
import { closeFile, hasCode, openFile, ownFile, statFile, syncFile } from "./descriptors.ts";

/** Who must own every directory, and gets what is made. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** True when we are root working for another user: what is made must be given away. */
  readonly giveAway: boolean;
}

/** An open directory. Whoever opened it closes it. */
export interface Directory {
  readonly fd: number;
  /** For messages to the operator only. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

/** A directory that is not ours, that others may write to, or a link where a directory should be. */
export class UnsafeDirectory extends Error {
  readonly code = "EUNSAFE";
  readonly path: string;
  constructor(path: string, why: string) {
    super(`${path}: ${why}`);
    this.name = "UnsafeDirectory";
    this.path = path;
  }
}

const OPEN = constants.O_RDONLY | constants.O_DIRECTORY;

/** The path of an entry of an open directory; `name` must be one component. */
export function below(directory: Directory, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}

/**
 * Opens mail_root itself. Links on the way there are the operator's business, and so is who owns it when we are root.
 * Throws ENOENT when it is missing and UnsafeDirectory.
 */
export async function openTop(path: string): Promise<{ top: Directory; owner: Owner }> {
  const fd = await openFile(path, OPEN);
  try {
    const { uid, gid, mode, dev, ino } = await statFile(fd);
    const self = process.geteuid?.() ?? uid;
    if (self !== 0 && uid !== self) throw new UnsafeDirectory(path, `belongs to user ${uid}`);
    if ((mode & 0o022) !== 0) throw new UnsafeDirectory(path, "others may write to it");
    const owner = { uid, gid, giveAway: uid !== self };
    return { top: { fd, path, device: dev, inode: ino }, owner };
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

/** Opens a subdirectory; null when there is none. Throws UnsafeDirectory. */
export async function openBelow(
  parent: Directory,
  name: string,
  owner: Owner,
): Promise<Directory | null> {
  const path = `${parent.path}/${name}`;
  let fd: number;
  try {
    fd = await openFile(below(parent, name), OPEN | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    if (hasCode(error, "ELOOP", "ENOTDIR")) throw new UnsafeDirectory(path, "not a directory");
    throw error;
  }
  try {
    const { uid, mode, dev, ino } = await statFile(fd);
    const isOurs = uid === owner.uid || (owner.giveAway && uid === process.geteuid?.());
    if (!isOurs) throw new UnsafeDirectory(path, `belongs to user ${uid}`);
    if ((mode & 0o022) !== 0) throw new UnsafeDirectory(path, "others may write to it");
    // Made by us as root just now, perhaps by another delivery that has not come to this yet.
    if (uid !== owner.uid) await ownFile(fd, owner.uid, owner.gid);
    return { fd, path, device: dev, inode: ino };
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

/** Opens a subdirectory, made 0700 when missing; the entry is synced before this resolves. Throws UnsafeDirectory. */
export async function makeBelow(parent: Directory, name: string, owner: Owner): Promise<Directory> {
  const there = await openBelow(parent, name, owner);
  if (there !== null) return there;
  try {
    await fs.mkdir(below(parent, name), 0o700);
  } catch (error) {
    // Another process may have made it just now: then it is checked like any other.
    if (!hasCode(error, "EEXIST")) throw error;
  }
  await syncFile(parent.fd);
  const made = await openBelow(parent, name, owner);
  if (made === null) throw new UnsafeDirectory(`${parent.path}/${name}`, "vanished while made");
  return made;
}

/** Opens a file of a directory for reading; null when missing, not a regular file, or a link. */
export async function openPlain(directory: Directory, name: string): Promise<number | null> {
  let fd: number;
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    fd = await openFile(below(directory, name), flags);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ELOOP", "ENXIO")) return null;
    throw error;
  }
  const stats = await statFile(fd);
  if (stats.isFile()) return fd;
  await closeFile(fd);
  return null;
}

/** Makes a new file 0600 that must not exist yet; the descriptor is open for writing and belongs to the caller. */
export async function createPlain(
  directory: Directory,
  name: string,
  owner: Owner,
): Promise<number> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = await openFile(
    below(directory, name),
    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
    0o600,
  );
  try {
    if (owner.giveAway) await ownFile(fd, owner.uid, owner.gid);
    return fd;
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

/** Opens the components below mail_root one after the other; null when one is missing. The caller closes the result. */
export async function openPath(
  top: string,
  components: readonly string[],
  step: (parent: Directory, name: string, owner: Owner) => Promise<Directory | null> = openBelow,
): Promise<{ directory: Directory; owner: Owner } | null> {
  const { top: first, owner } = await openTop(top);
  let at: Directory = first;
  for (const name of components) {
    if (!isPathComponent(name)) {
      await closeFile(at.fd);
      throw new UnsafeDirectory(`${at.path}/${JSON.stringify(name)}`, "not a name");
    }
    let next: Directory | null;
    try {
      next = await step(at, name, owner);
    } finally {
      await closeFile(at.fd);
    }
    if (next === null) return null;
    at = next;
  }
  return { directory: at, owner };
}

/** True for one name that stays where it is put: no "/", NUL or control character, not "." or "..", at most 255 octets. */
export function isPathComponent(name: string): boolean {
  return (
    name !== "" &&
    name !== "." &&
    name !== ".." &&
    name.isWellFormed() &&
    !/[/\x00-\x1f\x7f]/.test(name) &&
    Buffer.byteLength(name) <= 255
  );
}
