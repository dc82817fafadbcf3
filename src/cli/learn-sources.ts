// The messages behind the paths of `postern learn`: files, mailboxes in mbox form, Maildirs and directories of either. One after the other,
// so that a mailbox of any size needs the room of one message.
import type { Dirent } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";

export interface SourceFile {
  readonly path: string;
  readonly size: number;
}

export interface SourceMessage {
  /** For people: the path, and "#3" for the third one of an mbox. */
  readonly name: string;
  /** Null: too large. */
  readonly octets: Buffer | null;
  /** Octets of the file that it took. */
  readonly size: number;
}

export interface Source {
  readonly files: readonly SourceFile[];
  /** Paths that could not be listed, each with the reason. */
  readonly failed: readonly string[];
}

export const MAX_FILES = 5_000_000;
/** Octets of one message; larger ones teach nothing. */
export const MAX_MESSAGE = 32 * 1024 * 1024;
const CHUNK = 256 * 1024;

/**
 * All regular files below the paths. Links below a path are not followed; of a Maildir what is delivered and not flagged as removed counts;
 * names that start with a dot are left out, as are Dovecot's own files. Throws above MAX_FILES.
 */
export async function sourceOf(paths: readonly string[]): Promise<Source> {
  const files: SourceFile[] = [];
  const failed: string[] = [];
  const take = async (path: string): Promise<void> => {
    try {
      const { size } = await stat(path);
      if (files.length === MAX_FILES) throw new Error(`more than ${MAX_FILES} files`);
      files.push({ path, size });
    } catch (error) {
      // A file of a Maildir may have been renamed since it was listed.
      if (files.length === MAX_FILES) throw error;
      failed.push(`${path}: ${(error as Error).message}`);
    }
  };
  const walk = async (path: string): Promise<void> => {
    const entries = await readdir(path, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const isMaildir = ["cur", "new"].every((name) =>
      entries.some((entry) => entry.name === name && entry.isDirectory()),
    );
    for (const entry of entries) {
      if (!isWanted(entry, isMaildir)) continue;
      const below = join(path, entry.name);
      if (entry.isDirectory()) await walk(below);
      else await take(below);
    }
  };
  for (const path of paths) {
    try {
      if (path !== "-" && (await stat(path)).isDirectory()) await walk(path);
      else if (path === "-") files.push({ path, size: 0 });
      else await take(path);
    } catch (error) {
      if (files.length === MAX_FILES) throw error;
      failed.push(`${path}: ${(error as Error).message}`);
    }
  }
  return { files, failed };
}

function isWanted(entry: Dirent, isMaildir: boolean): boolean {
  const { name } = entry;
  if (isMaildir) return name === "cur" || name === "new";
  if (name.startsWith(".") || name.startsWith("dovecot")) return false;
  if (entry.isDirectory()) return true;
  return entry.isFile() && !/:2,[A-Za-z]*T/.test(name) && name !== "maildirfolder";
}

/** The messages of a file: all of an mbox, else itself. Rejects when it cannot be read. */
export async function* messagesOf(
  file: SourceFile,
  standardInput: Readable,
): AsyncGenerator<SourceMessage> {
  if (file.path === "-") {
    yield* split("standard input", standardInput as AsyncIterable<Buffer>);
    return;
  }
  const handle = await open(file.path);
  try {
    yield* split(file.path, handle.createReadStream({ autoClose: false, highWaterMark: CHUNK }));
  } finally {
    await handle.close();
  }
}

const FROM = Buffer.from("From ");

/** An mbox starts with "From "; each such line with a time of day behind an empty line starts a message. */
async function* split(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<SourceMessage> {
  const message = new Gathered();
  let isMbox: boolean | null = null;
  let number = 0;
  let rest: Buffer = Buffer.alloc(0);
  const one = (): SourceMessage => ({
    name: isMbox === true ? `${name}#${++number}` : name,
    size: message.length,
    octets: message.take(),
  });
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (isMbox === null) {
      if (rest.length < FROM.length) continue;
      isMbox = rest.subarray(0, FROM.length).equals(FROM);
    }
    if (!isMbox) {
      message.add(rest);
      rest = Buffer.alloc(0);
      continue;
    }
    for (let border = nextMessage(rest); border >= 0; border = nextMessage(rest)) {
      message.add(rest.subarray(0, border));
      yield one();
      rest = rest.subarray(border);
    }
    // What may be the start of a border waits for the next chunk.
    const sure = Math.max(0, rest.length - BORDER - 4);
    message.add(rest.subarray(0, sure));
    rest = rest.subarray(sure);
  }
  message.add(rest);
  if (message.length > 0) yield one();
}

/** Octets of a line that starts a message, and what stands before it. */
const BORDER = 256;
/** "From alice@example.org Fri Nov 20 10:00:00 2026": a sentence that starts so has no time of day. */
const FROM_LINE = /^From [^\n]*\d\d:\d\d/;

/** Where the next message starts, behind the first octet; -1 when it is not there, or not all of its line. */
function nextMessage(octets: Buffer): number {
  for (let at = 1; ;) {
    const found = octets.indexOf(FROM, at);
    if (found < 0) return -1;
    if (isBehindEmptyLine(octets, found)) {
      const line = octets.toString("latin1", found, found + BORDER);
      if (FROM_LINE.test(line)) return found;
      if (line.length < BORDER && !line.includes("\n")) return -1;
    }
    at = found + 1;
  }
}

function isBehindEmptyLine(octets: Buffer, at: number): boolean {
  if (octets[at - 1] !== 10) return false;
  return octets[at - 2] === 10 || (octets[at - 2] === 13 && octets[at - 3] === 10);
}

/** The octets of a message, or only how many there are when they are too many. */
class Gathered {
  #pieces: Buffer[] = [];
  length = 0;

  add(piece: Buffer): void {
    this.length += piece.length;
    if (this.length <= MAX_MESSAGE) this.#pieces.push(Buffer.from(piece));
    else this.#pieces = [];
  }

  take(): Buffer | null {
    const octets = this.length > MAX_MESSAGE ? null : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.length = 0;
    return octets;
  }
}
