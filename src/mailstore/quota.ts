// Mailbox quota in `maildirsize` (Maildir++ as Courier defined it, which Dovecot and Exim keep too): the first line is the
// limit, every further one "octets messages" to add up. Read before a delivery, appended to after it, never locked: the
// format tolerates races. Used by maildir.ts.
import { constants, promises as fs } from "node:fs";
import {
  closeFile,
  hasCode,
  openFile,
  readSome,
  removeFile,
  renameFile,
  statFile,
  statPath,
  syncFile,
  writeAll,
} from "./descriptors.ts";
import { below, createPlain, openBelow, openPlain } from "./directory.ts";
import type { Directory, Owner } from "./directory.ts";

/** What a mailbox may hold; null = no limit. */
export interface Quota {
  readonly octets: number | null;
  readonly messages: number | null;
}

export interface Usage {
  readonly octets: number;
  readonly messages: number;
}

/** The mailbox has no room. `never` is true when the message would not fit into an empty one. */
export class OverQuota extends Error {
  readonly code = "EOVERQUOTA";
  readonly never: boolean;
  constructor(never: boolean) {
    super(never ? "the message is larger than the quota" : "the mailbox is full");
    this.name = "OverQuota";
    this.never = never;
  }
}

/** A longer file is rewritten, so that reading stays one call. */
const MAX_FILE = 5120;
/** A file that says "full" is believed for this long when it cannot be wrong by races alone. */
const STALE_MS = 15 * 60 * 1000;
const FILE = "maildirsize";

/** True when adding `size` octets in one message keeps within the quota. */
export function fits(quota: Quota, usage: Usage, size: number): boolean {
  const { octets, messages } = quota;
  return (
    (octets === null || usage.octets + size <= octets) &&
    (messages === null || usage.messages + 1 <= messages)
  );
}

/**
 * What the mailbox holds. Counted anew when the file is missing, too long, negative, made for another quota, or says that
 * `size` more octets do not fit though it may be stale.
 */
export async function usageOf(
  root: Directory,
  owner: Owner,
  quota: Quota,
  size: number,
  nameOf: () => string,
): Promise<Usage> {
  const read = await readFile(root);
  if (read !== null && read.limit === limitLine(quota) && !isNegative(read.usage)) {
    const doubtful = read.dataLines > 1 || Date.now() - read.writtenAt > STALE_MS;
    if (fits(quota, read.usage, size) || !doubtful) return read.usage;
  }
  return recalculate(root, owner, quota, nameOf);
}

/** Adds a delivery to the file, when there is one: another reader's limit in it is none of our business. */
export async function appendUsage(
  root: Directory,
  octets: number,
  messages: number,
): Promise<boolean> {
  let fd: number;
  try {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;
    fd = await openFile(below(root, FILE), flags | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ELOOP", "ENXIO")) return false;
    throw error;
  }
  try {
    await writeAll(fd, [Buffer.from(`${octets} ${messages}\n`)]);
  } finally {
    await closeFile(fd);
  }
  return true;
}

interface Read {
  readonly limit: string;
  readonly usage: Usage;
  readonly dataLines: number;
  readonly writtenAt: number;
}

async function readFile(root: Directory): Promise<Read | null> {
  const fd = await openPlain(root, FILE);
  if (fd === null) return null;
  try {
    const { mtimeMs } = await statFile(fd);
    const buffer = Buffer.allocUnsafe(MAX_FILE);
    const length = await readSome(fd, buffer);
    if (length >= MAX_FILE) return null;
    return parseMaildirsize(buffer.toString("latin1", 0, length), mtimeMs);
  } finally {
    await closeFile(fd);
  }
}

/** Sums up the text of a maildirsize file; null when a line is broken. */
export function parseMaildirsize(text: string, writtenAt: number): Read | null {
  const [limit = "", ...lines] = text.split("\n");
  if (!/^\d{1,15}[SC](,\d{1,15}[SC])?$/.test(limit)) return null;
  let octets = 0;
  let messages = 0;
  let dataLines = 0;
  for (const line of lines) {
    if (line.trim() === "") continue;
    const match = /^ *(-?\d{1,15}) +(-?\d{1,15}) *$/.exec(line);
    if (match === null) return null;
    octets += Number(match[1]);
    messages += Number(match[2]);
    dataLines++;
  }
  return { limit, usage: { octets, messages }, dataLines, writtenAt };
}

function isNegative(usage: Usage): boolean {
  return usage.octets < 0 || usage.messages < 0;
}

/** "10485760S,1000C"; "0S" = no limit. */
function limitLine(quota: Quota): string {
  const parts = [
    ...(quota.octets === null ? [] : [`${quota.octets}S`]),
    ...(quota.messages === null ? [] : [`${quota.messages}C`]),
  ];
  return parts.join(",") || "0S";
}

/** Counts every message of every folder and writes the file anew, unless the mailbox changed meanwhile. */
async function recalculate(
  root: Directory,
  owner: Owner,
  quota: Quota,
  nameOf: () => string,
): Promise<Usage> {
  const usage = { octets: 0, messages: 0 };
  const seen = new Map<string, number>();
  for (const folder of await foldersOf(root)) {
    const directory = folder === "." ? root : await openBelow(root, folder, owner);
    if (directory === null) continue;
    try {
      for (const name of ["new", "cur"]) {
        const mtimeMs = await countIn(directory, name, owner, usage);
        if (mtimeMs !== null) seen.set(`${folder}/${name}`, mtimeMs);
      }
    } finally {
      if (directory !== root) await closeFile(directory.fd);
    }
  }
  const text = `${limitLine(quota)}\n${usage.octets} ${usage.messages}\n`;
  await replaceFile(root, owner, text, nameOf);
  for (const [path, mtimeMs] of seen) {
    const stats = await statPath(below(root, path));
    // A change during the count may be in it or not: then nobody shall rely on the file.
    if (stats?.mtimeMs === mtimeMs) continue;
    await removeFile(below(root, FILE)).catch(ignoreMissing);
    break;
  }
  return usage;
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, "ENOENT")) throw error;
}

/** The inbox (".") and every folder. Dovecot counts Trash, so do we. */
async function foldersOf(root: Directory): Promise<readonly string[]> {
  const entries = await fs.readdir(below(root, "."), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name.startsWith("."));
  return [".", ...folders.map((entry) => entry.name)];
}

/** Adds one new/ or cur/ to the usage; resolves with its mtime before the count, null when it is missing. */
async function countIn(
  folder: Directory,
  name: string,
  owner: Owner,
  usage: { octets: number; messages: number },
): Promise<number | null> {
  const directory = await openBelow(folder, name, owner);
  if (directory === null) return null;
  try {
    const { mtimeMs } = await statFile(directory.fd);
    await count(directory, usage);
    return mtimeMs;
  } finally {
    await closeFile(directory.fd);
  }
}

async function count(
  directory: Directory,
  usage: { octets: number; messages: number },
): Promise<void> {
  for (const name of await fs.readdir(below(directory, "."))) {
    if (name.startsWith(".")) continue;
    const size = /,S=(\d{1,15})(?=[,:]|$)/.exec(name)?.[1];
    const octets =
      size === undefined ? (await statPath(below(directory, name)))?.size : Number(size);
    // Gone meanwhile: no longer part of the mailbox.
    if (octets === undefined) continue;
    usage.octets += octets;
    usage.messages++;
  }
}

async function replaceFile(
  root: Directory,
  owner: Owner,
  text: string,
  nameOf: () => string,
): Promise<void> {
  const tmp = await openBelow(root, "tmp", owner);
  if (tmp === null) return;
  try {
    const name = nameOf();
    const fd = await createPlain(tmp, name, owner);
    try {
      await writeAll(fd, [Buffer.from(text)]);
      await syncFile(fd);
    } finally {
      await closeFile(fd);
    }
    await renameFile(below(tmp, name), below(root, FILE));
  } finally {
    await closeFile(tmp.fd);
  }
}
