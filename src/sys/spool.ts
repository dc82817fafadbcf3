// The spool: where a message's octets stay between the client's dot and our answer. Memory while small (a message up to
// perMessage, all together up to inAll), then one file that has no name: created in a directory of our own, unlinked at
// once, read and written by position. The SMTP listener creates, fills and disposes; everybody else borrows.
import { constants, open, writev } from "node:fs";
import { chmod, mkdir, readdir, unlink as unlinkLater } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { closeUnlinked, FileSpool, MemorySpool, type Spool } from "./spooled.ts";

/** Sees a large message on its way into the file. */
export interface SpoolTap {
  /** The next octets, its own until this resolved; then the next come. Must not reject. */
  write(octets: Buffer): Promise<void>;
}

/** A message on its way in. */
export interface SpoolWriter {
  /**
   * Takes the next piece, which now belongs to the spool: the memory of one that is a whole ArrayBuffer is gone when it was written. Undefined: go on at once. A promise: wait for it before reading
   * on (back-pressure); it rejects with the system's error when the file cannot be written, and then discard() is due.
   */
  write(piece: Buffer): Promise<void> | undefined;
  /** Call once, after the last write. Rejects as write() does. */
  finish(): Promise<Spool>;
  /** Forgets everything, at any time before finish() resolved. Again is harmless. */
  discard(): void;
}

export interface SpoolRoom {
  /** `tap` sees all octets, in order, before finish() resolves, if the message ends in a file; else it is never called. */
  create(tap?: SpoolTap): SpoolWriter;
  /** Makes the directory (0700) and removes what a crash left there. Call at start; resolves to how many were removed. */
  sweep(): Promise<number>;
  /** Octets of messages in memory now. */
  readonly held: number;
}

export interface SpoolOptions {
  readonly dir: string;
  /** Octets of one message that may stay in memory; 256 KiB. */
  readonly perMessage?: number;
  /** Octets of all messages that may stay in memory; 64 MiB. */
  readonly inAll?: number;
}

const NAME = /^[0-9]+-[0-9]+\.spool$/;
/** Octets that wait while a write is in flight before the writer is told to wait. */
const QUEUE = 256 * 1024;
/** Pieces below this are copied together: a client that sends octet by octet must not cost a Buffer for each. */
const SMALL = 1024;
const SLAB = 16 * 1024;
/** Buffers below this are left to the garbage collector. */
const MIN_FREED = 8 * 1024;

/** The room of one process. */
export function spoolRoom(options: SpoolOptions): SpoolRoom {
  return new Room(options);
}

class Room implements SpoolRoom {
  readonly perMessage: number;
  readonly inAll: number;
  held = 0;
  readonly #dir: string;
  #files = 0;

  constructor(options: SpoolOptions) {
    this.#dir = options.dir;
    this.perMessage = options.perMessage ?? 256 * 1024;
    this.inAll = options.inAll ?? 64 * 1024 * 1024;
  }

  create(tap?: SpoolTap): SpoolWriter {
    return new Writer(this, tap ?? null);
  }

  async sweep(): Promise<number> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await chmod(this.#dir, 0o700);
    let removed = 0;
    for (const name of await readdir(this.#dir)) {
      if (!NAME.test(name)) continue;
      try {
        await unlinkLater(join(this.#dir, name));
        removed++;
      } catch (error) {
        // Another process of ours may be between its open and its unlink.
        if (!isCode(error, "ENOENT")) throw error;
      }
    }
    return removed;
  }

  /** Descriptor of a new file without a name. */
  async openFile(): Promise<number> {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    for (;;) {
      const path = join(this.#dir, `${process.pid}-${this.#files++}.spool`);
      let fd: number;
      try {
        fd = await openLater(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      } catch (error) {
        // A leftover of an earlier process with our number; the next name is free.
        if (isCode(error, "EEXIST")) continue;
        throw error;
      }
      try {
        await unlinkLater(path);
      } catch (error) {
        // Another process of ours may have swept it away already.
        if (!isCode(error, "ENOENT")) {
          closeUnlinked(fd);
          throw error;
        }
      }
      return fd;
    }
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

const openLater: (path: string, flags: number, mode: number) => Promise<number> = promisify(open);

class Writer implements SpoolWriter {
  readonly #room: Room;
  readonly #tap: SpoolTap | null;
  #pieces: Buffer[] = [];
  /** Octets of the last piece that are in use when it is a slab of ours, else -1. */
  #slabUsed = -1;
  #size = 0;
  #held = 0;
  #written = 0;
  #fd: number | null = null;
  #toFile = false;
  #draining: Promise<void> | null = null;
  #failure: Error | null = null;
  #over = false;

  constructor(room: Room, tap: SpoolTap | null) {
    this.#room = room;
    this.#tap = tap;
  }

  write(piece: Buffer): Promise<void> | undefined {
    if (this.#over || piece.length === 0) return undefined;
    this.#keep(piece);
    this.#size += piece.length;
    this.#hold(piece.length);
    if (!this.#toFile) {
      if (this.#size <= this.#room.perMessage && this.#room.held <= this.#room.inAll)
        return undefined;
      this.#toFile = true;
    }
    if (this.#failure === null) this.#draining ??= this.#drain();
    return this.#held > QUEUE || this.#failure !== null ? this.#drained() : undefined;
  }

  async finish(): Promise<Spool> {
    if (this.#toFile) await this.#drained();
    this.#over = true;
    const fd = this.#fd;
    if (fd !== null) {
      this.#fd = null;
      return new FileSpool(fd, this.#size);
    }
    return new MemorySpool(this.#all(), this.#size, () => this.#hold(-this.#held));
  }

  discard(): void {
    if (this.#over) return;
    this.#over = true;
    this.#pieces = [];
    this.#hold(-this.#held);
    if (this.#draining === null) this.#close();
  }

  #hold(octets: number): void {
    this.#held += octets;
    this.#room.held += octets;
  }

  #keep(piece: Buffer): void {
    const last = this.#pieces.at(-1);
    if (piece.length >= SMALL || last === undefined) {
      this.#trim();
      this.#pieces.push(piece);
      return;
    }
    if (this.#slabUsed >= 0 && this.#slabUsed + piece.length <= last.length) {
      piece.copy(last, this.#slabUsed);
      this.#slabUsed += piece.length;
      return;
    }
    this.#trim();
    const slab = Buffer.allocUnsafeSlow(SLAB);
    if (last.length < SMALL) this.#pieces.pop();
    const before = last.length < SMALL ? last.copy(slab) : 0;
    piece.copy(slab, before);
    this.#slabUsed = before + piece.length;
    this.#pieces.push(slab);
  }

  /** Ends the slab at the tail, if there is one: what follows goes elsewhere. */
  #trim(): void {
    if (this.#slabUsed < 0) return;
    const slab = this.#pieces.pop();
    if (slab !== undefined) this.#pieces.push(slab.subarray(0, this.#slabUsed));
    this.#slabUsed = -1;
  }

  #all(): Buffer[] {
    this.#trim();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  async #drained(): Promise<void> {
    await this.#draining;
    if (this.#failure !== null) throw this.#failure;
  }

  /** Writes what waits, one write in flight, until nothing waits. Never rejects: the next caller learns of a failure. */
  async #drain(): Promise<void> {
    try {
      this.#fd ??= await this.#room.openFile();
      while (this.#pieces.length > 0 && !this.#over) {
        const batch = this.#all();
        const octets = batch.reduce((sum, piece) => sum + piece.length, 0);
        await Promise.all([writeAll(this.#fd, batch, this.#written), this.#show(batch)]);
        this.#written += octets;
        for (const piece of batch) free(piece);
        if (!this.#over) this.#hold(-octets);
      }
    } catch (error) {
      this.#failure = error as Error;
    }
    this.#draining = null;
    if (this.#over) this.#close();
  }

  async #show(batch: readonly Buffer[]): Promise<void> {
    if (this.#tap === null) return;
    for (const piece of batch) {
      if (this.#over || this.#failure !== null) return;
      await this.#tap.write(piece);
    }
  }

  #close(): void {
    if (this.#fd !== null) closeUnlinked(this.#fd);
    this.#fd = null;
  }
}

/** Writes all of `pieces` at `position`; rejects with the system's error when that stops short. */
function writeAll(fd: number, pieces: Buffer[], position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (rest: Buffer[], at: number): void => {
      writev(fd, rest, at, (error, written) => {
        if (error) return reject(error);
        const left = behind(rest, written);
        if (left.length === 0) return resolve();
        if (written === 0) return reject(new Error("the spool file takes no more octets"));
        step(left, at + written);
      });
    };
    step(pieces, position);
  });
}

/**
 * Gives back the memory of a piece at once. A socket's reads come in buffers of 64 KiB each, and left to the garbage collector
 * those of a few large messages make it stop the process several times a second. Whoever has the whole buffer is the only one
 * who has it; a piece of one may share it with the next command.
 */
function free({ buffer, length }: Buffer): void {
  if (length < MIN_FREED || length !== buffer.byteLength || !(buffer instanceof ArrayBuffer))
    return;
  buffer.transfer(0);
}

/** What is left of `pieces` after their first `octets` octets. */
function behind(pieces: Buffer[], octets: number): Buffer[] {
  let at = 0;
  let rest = octets;
  for (; at < pieces.length; at++) {
    const piece = pieces[at] as Buffer;
    if (piece.length > rest) return [piece.subarray(rest), ...pieces.slice(at + 1)];
    rest -= piece.length;
  }
  return [];
}
