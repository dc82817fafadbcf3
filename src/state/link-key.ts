// The key that signs release links: 32 random octets in a file of state_dir (0600), made at first use. All processes of a host read
// the same file each time, so that a new key holds at once.
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

const SIZE = 32;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** The key in `file`. Throws when the file cannot be read or made, is open to others, or is no key. */
export async function linkKey(file: string): Promise<Buffer> {
  const there = await read(file);
  if (there !== null) return there;
  const made = await write(file);
  try {
    // link, unlike rename, leaves the key of another process that was faster.
    await link(made, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(made, { force: true });
  }
  const key = await read(file);
  if (key === null) throw new Error(`${file} went away`);
  return key;
}

/** Puts a new key in place: what the old one signed is void. */
export async function rotateLinkKey(file: string): Promise<void> {
  await rename(await write(file), file);
}

async function read(file: string): Promise<Buffer | null> {
  let handle;
  try {
    handle = await open(file, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size !== SIZE) throw new Error(`${file} is no key`);
    if ((stat.mode & 0o077) !== 0) throw new Error(`${file} can be read by others: chmod 600`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

async function write(file: string): Promise<string> {
  const path = `${file}.${randomBytes(6).toString("hex")}`;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    // A command run as root must not leave a key that the server cannot read.
    const { uid, gid } = await lstat(dirname(file));
    if (process.geteuid?.() === 0 && uid !== 0) await handle.chown(uid, gid);
    await handle.writeFile(randomBytes(SIZE));
    await handle.sync();
  } finally {
    await handle.close();
  }
  return path;
}
