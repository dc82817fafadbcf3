// The file operations below quarantine.ts: checked directories, synced files under names that must not exist yet, gzip
// out and in. Nothing here follows a symbolic link in the last component.
import assert from "node:assert";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGunzip, createGzip, gzip } from "node:zlib";
import type { Body } from "../mail/message.ts";

const gzipWhole = promisify(gzip);
const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_NOFOLLOW, O_DIRECTORY } = constants;
const MODE = 0o640;
/** Messages up to this size are compressed in one call, which is several times cheaper than a stream. */
const WHOLE = 256 * 1024;
const LEVEL = 4;
const MAX_JSON = 16 * 1024 * 1024;

/** Makes `path` (0750) if it is missing, and syncs its parent then. Throws when others could have put things there. */
export async function ensureDirectory(path: string, parent: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o750 });
  if (made !== undefined) await syncDirectory(parent);
  const stat = await lstat(path);
  if (!stat.isDirectory()) throw new Error(`${path} is no directory`);
  if (stat.uid !== process.geteuid?.()) throw new Error(`${path} belongs to another user`);
  if ((stat.mode & 0o022) !== 0) throw new Error(`${path} is writable by others`);
}

/** Makes renames and new names in `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a new file 0640 and syncs it; fails when the name exists. What was begun is removed on failure. */
export async function writeNew(path: string, content: string | Buffer): Promise<void> {
  await filling(path, async (handle) => {
    await handle.writeFile(content);
  });
}

/** Writes `prefix` and the body, compressed, to a new synced file 0640. `deadline` aborts; nothing remains then. */
export async function writeGz(
  path: string,
  prefix: Buffer,
  body: Body,
  deadline: AbortSignal,
): Promise<void> {
  deadline.throwIfAborted();
  await filling(path, async (handle) => {
    if (body.bytes !== null && body.size <= WHOLE) {
      const whole = Buffer.concat([prefix, ...body.bytes]);
      assert(whole.length === prefix.length + body.size, "a body is as long as it says");
      await handle.writeFile(await gzipWhole(whole, { level: LEVEL }), { signal: deadline });
      return;
    }
    const write = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
      for await (const piece of pieces) await handle.writeFile(piece);
    };
    const deflate = createGzip({ level: LEVEL, chunkSize: 64 * 1024 });
    await pipeline(framed(prefix, body), deflate, write, { signal: deadline });
  });
}

async function* framed(prefix: Buffer, body: Body): AsyncGenerator<Buffer> {
  yield prefix;
  let size = 0;
  for await (const piece of body.open()) {
    size += piece.length;
    yield piece;
  }
  assert(size === body.size, "a body is as long as it says");
}

type Handle = Awaited<ReturnType<typeof open>>;

async function filling(path: string, fill: (handle: Handle) => Promise<void>): Promise<void> {
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, MODE);
  let done = false;
  try {
    await handle.chmod(MODE);
    await giveAway(handle, dirname(path));
    await fill(handle);
    await handle.sync();
    done = true;
  } finally {
    await handle.close();
    if (!done) await rm(path, { force: true });
  }
}

/** An operator's command run as root must not leave files that the server cannot read. */
async function giveAway(handle: Handle, directory: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await lstat(directory);
  if (uid !== 0) await handle.chown(uid, gid);
}

/** The text of a small file of ours, or null when there is none (or it is no ordinary file, or too long). */
export async function readText(path: string, maxBytes: number = MAX_JSON): Promise<string | null> {
  let handle: Handle;
  try {
    handle = await open(path, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > maxBytes) return null;
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

export interface Original {
  readonly prefix: number;
  readonly size: number;
  readonly sha256: string;
}

/**
 * The octets behind the prefix of a stored message. Inflates no more than what was stored; throws when the file is
 * shorter, longer or other than `original` says.
 */
export async function* readGz(path: string, original: Original): AsyncGenerator<Buffer> {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW);
  const gunzip = createGunzip();
  const fed = pipeline(handle.createReadStream(), gunzip);
  // Awaited below; a failure shows in the loop first, and must not count as unhandled until then.
  fed.catch(() => undefined);
  const hash = createHash("sha256");
  let skip = original.prefix;
  let size = 0;
  try {
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      const rest = skip > 0 ? piece.subarray(skip) : piece;
      skip = Math.max(0, skip - piece.length);
      size += rest.length;
      if (size > original.size) throw new Error("the stored message is longer than it was");
      hash.update(rest);
      if (rest.length > 0) yield rest;
    }
    await fed;
    if (size !== original.size) throw new Error("the stored message is shorter than it was");
    if (hash.digest("hex") !== original.sha256) throw new Error("the stored message is damaged");
  } finally {
    gunzip.destroy();
    await handle.close();
  }
}

export interface Hashes {
  /** Lower-case hex of the whole message, and of what follows its header. */
  readonly whole: string;
  readonly content: string;
}

/** SHA-256 of a message and of its body, read once, in pieces that do not hold up the event loop. */
export async function hashesOf(
  body: Body,
  headerSize: number,
  deadline: AbortSignal,
): Promise<Hashes> {
  const whole = createHash("sha256");
  const content = createHash("sha256");
  let at = 0;
  let pause = 0;
  for await (const buffer of body.bytes ?? body.lend?.() ?? body.open()) {
    for (let from = 0; from < buffer.length; from += WHOLE) {
      const piece = buffer.subarray(from, from + WHOLE);
      whole.update(piece);
      content.update(piece.subarray(Math.max(0, headerSize - at)));
      at += piece.length;
      pause += piece.length;
      if (pause < WHOLE) continue;
      pause = 0;
      await new Promise((resolve) => setImmediate(resolve));
      deadline.throwIfAborted();
    }
  }
  return { whole: whole.digest("hex"), content: content.digest("hex") };
}

/** True for ENOENT, and for ELOOP, which O_NOFOLLOW gives for a symbolic link: no file of ours. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR";
}

/** The errno word of a system error ("ENOSPC"), or null. */
export function codeOf(error: unknown): string | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" ? code : null;
}
