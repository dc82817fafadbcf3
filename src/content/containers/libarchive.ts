// Unpacks archives with libarchive: 7z, rar and cab, whose methods are too many to write here. It is asked for octets only: the
// formats beside this file list the members themselves, since it stops at the first that it cannot read and knows names of its own
// locale only. Used in a thread that a deadline ends: a call into it cannot be interrupted.
import { Broken } from "./format.ts";
import type { Member } from "./format.ts";
import { allocate, free, heapOf, lend, takeBack } from "./libarchive-instance.ts";
import type { Library } from "./libarchive-instance.ts";
import type { Octets } from "./octets.ts";

/** The archive lies in the instance's memory as a whole. */
const MAX_ARCHIVE = 64 * 1024 * 1024;
const PIECE = 64 * 1024;
const COPY = 1024 * 1024;
/** Types of files; 0 is none. */
const TYPES = new Map<number, Member["what"]>([
  [0, "file"],
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "link"],
]);
const UNSUPPORTED = /not supported|unsupported|No support|Unexpected codec/i;

/** An entry as libarchive sees it. */
export interface Entry {
  /** "" when there is none, or none that the locale can say. */
  readonly name: string;
  readonly what: Member["what"];
  readonly encrypted: boolean;
  /** What a link points to, as far as it is text; else "". */
  readonly target: string;
}

/** An archive that is being read from its start. `close` it. */
export interface Unpacker {
  /** The next entry; null at the end, and where libarchive cannot go on: then `trouble` says why, else it is "". */
  next(): Entry | null;
  readonly trouble: string;
  /** The octets of the last entry, in pieces of their own. Throws Broken at the damage. */
  octets(): Generator<Buffer>;
  close(): void;
}

/** Begins to read an archive. Throws Broken when it is none, or too large. */
export async function unpack(file: Octets): Promise<Unpacker> {
  if (file.size > MAX_ARCHIVE)
    throw new Broken("archive larger than 64 MiB", "container-too-large");
  const library = await lend();
  try {
    return new Unpacking(library, file);
  } catch (error) {
    // Closing what could not be opened ends in a trap: the instance is given up.
    throw brokenBy(error);
  }
}

/** What libarchive says of the archive, or that it gave up altogether. */
function brokenBy(error: unknown): Broken {
  if (error instanceof Broken) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Broken(
    message === "" ? "damaged" : message,
    UNSUPPORTED.test(message) ? "container-unsupported" : "container-broken",
  );
}

class Unpacking implements Unpacker {
  readonly #library: Library;
  /** False after a trap: then nothing in the instance can be relied on. */
  #sound = true;
  #open = true;
  readonly #data: number;
  readonly #piece: number;
  readonly #archive: number;
  trouble = "";

  constructor(library: Library, file: Octets) {
    this.#library = library;
    this.#data = allocate(library, Math.max(1, file.size));
    this.#piece = allocate(library, PIECE);
    if (this.#data === 0 || this.#piece === 0)
      throw new Broken("no memory for the archive", "container-too-large");
    for (let at = 0; at < file.size; at += COPY)
      heapOf(library).set(file.read(at, COPY), this.#data + at);
    this.#archive = library.read_new();
    library.read_support_format_all(this.#archive);
    library.read_open_memory(this.#archive, this.#data, file.size);
  }

  next(): Entry | null {
    return this.#within((library) => {
      const entry = library.read_next_entry(this.#archive);
      this.trouble = entry === 0 ? library.error_string(this.#archive) : "";
      if (entry === 0) return null;
      return {
        name: library.entry_pathname(entry),
        what: TYPES.get(library.entry_filetype(entry)) ?? "special",
        encrypted: library.entry_is_encrypted(entry) !== 0,
        target: library.entry_symlink(entry),
      };
    });
  }

  *octets(): Generator<Buffer> {
    for (;;) {
      const piece = this.#within((library) => {
        const length = library.read_data(this.#archive, this.#piece, PIECE);
        return Buffer.from(heapOf(library).subarray(this.#piece, this.#piece + length));
      });
      if (piece.length === 0) return;
      yield piece;
    }
  }

  /** Calls into the instance; an error that is none of libarchive's own spoils it. */
  #within<T>(call: (library: Library) => T): T {
    if (!this.#open || !this.#sound) throw new Broken("the archive was given up");
    try {
      return call(this.#library);
    } catch (error) {
      this.#sound = error instanceof Error && error.constructor === Error;
      throw brokenBy(error);
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#sound) return;
    try {
      this.#library.read_free(this.#archive);
      free(this.#library, this.#piece);
      free(this.#library, this.#data);
    } catch {
      return; // A trap, from an archive that was damaged: the instance goes with it.
    }
    takeBack(this.#library);
  }
}
