// Changes of the files behind `postern user`: read whole, changed as text, replaced atomically, one process at a time.
import { randomBytes } from "node:crypto";
import { constants, promises as fs } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { instanceLock } from "../state/lock.ts";

const WAIT_MS = 10_000;
const ASK_MS = 50;

/** Runs `change` while no other process changes this file. Rejects when the lock is not free within 10 s. */
export async function alone<T>(file: string, change: () => Promise<T>): Promise<T> {
  await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o750 });
  const until = performance.now() + WAIT_MS;
  for (;;) {
    const lock = instanceLock(`${file}.lock`);
    if (lock !== null) {
      try {
        return await change();
      } finally {
        lock.release();
      }
    }
    if (performance.now() > until) throw new Error(`${file} is being changed by another process`);
    await pause(ASK_MS);
  }
}

/** The text of a file, "" when there is none. */
export async function textOf(file: string): Promise<string> {
  try {
    return await fs.readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** Replaces a file: written beside it with `mode` and the old one's owner, synced, renamed, directory synced. */
export async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const directory = path.dirname(file);
  const fresh = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString("hex")}`);
  const old = await fs.stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await fs.open(fresh, flags, 0o600);
  try {
    try {
      await handle.writeFile(text);
      // A group such as dovecot reads the file: its ownership is the operator's and is kept.
      const owner = old ?? (await fs.stat(directory));
      if (process.geteuid?.() === 0) await handle.chown(owner.uid, owner.gid);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(fresh, file);
  } catch (error) {
    await fs.rm(fresh, { force: true });
    throw error;
  }
  const parent = await fs.open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

/** Text with one more line. */
export function withLine(text: string, line: string): string {
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`;
}
