// A message that the spool holds, in memory or in a file without a name: what the writer in spool.ts ends in and what
// everybody reads. It has the shape of a message body (mail/message.ts) and a way to be disposed of.
import { close, read } from "node:fs";

const READ_SIZE = 128 * 1024;

/** A received message: readable any number of times, by several readers at once, until dispose(). */
export interface Spool {
  readonly size: number;
  /** All octets in order when they are in memory, else null: use open(). Not to be changed. */
  readonly bytes: readonly Buffer[] | null;
  /** All octets in pieces of up to 128 KiB, each the reader's own when they come from the file. */
  open(): AsyncIterable<Buffer>;
  /** The same; a piece from the file is valid until the next one is asked for, since all share one buffer. */
  lend(): AsyncIterable<Buffer>;
  /** The unlinked file when there is one, for readers in other threads, by position only; it stays open until release(). */
  lendFile(): { readonly descriptor: number; release(): void } | null;
  /** Frees memory and file. A read under way still ends; the next one fails. Again is harmless. */
  dispose(): void;
}

/** Closes a file that no longer has a name. Its octets go with it, so that an error would change nothing. */
export function closeUnlinked(fd: number): void {
  close(fd, () => {});
}

/** A message whose octets are in memory; `release` gives the memory back, once. */
export class MemorySpool implements Spool {
  readonly size: number;
  #bytes: readonly Buffer[];
  #release: (() => void) | null;

  constructor(bytes: readonly Buffer[], size: number, release: () => void) {
    this.#bytes = bytes;
    this.size = size;
    this.#release = release;
  }

  get bytes(): readonly Buffer[] {
    if (this.#release === null) throw new Error("the spool was disposed of");
    return this.#bytes;
  }

  async *open(): AsyncGenerator<Buffer> {
    for (const piece of this.bytes) yield piece;
  }

  lend(): AsyncGenerator<Buffer> {
    return this.open();
  }

  lendFile(): null {
    return null;
  }

  dispose(): void {
    this.#release?.();
    this.#release = null;
    this.#bytes = [];
  }
}

/** A message in a file without a name, which it owns. */
export class FileSpool implements Spool {
  readonly size: number;
  readonly bytes = null;
  readonly #fd: number;
  #reading = 0;
  #disposed = false;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  async *open(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.size;) {
      const piece = await this.#read(at, Buffer.allocUnsafeSlow(this.#next(at)));
      at += piece.length;
      yield piece;
    }
  }

  async *lend(): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(this.#next(0));
    for (let at = 0; at < this.size;) {
      const piece = await this.#read(at, buffer.subarray(0, this.#next(at)));
      at += piece.length;
      yield piece;
    }
  }

  lendFile(): { readonly descriptor: number; release(): void } | null {
    if (this.#disposed) return null;
    this.#reading++;
    let released = false;
    return {
      descriptor: this.#fd,
      release: () => {
        if (released) return;
        released = true;
        this.#released();
      },
    };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#reading === 0) closeUnlinked(this.#fd);
  }

  /** Octets of the piece at a position. */
  #next(position: number): number {
    return Math.min(READ_SIZE, this.size - position);
  }

  /** The descriptor stays open while a read is under way, since its number could be given to another file. */
  #read(position: number, buffer: Buffer): Promise<Buffer> {
    if (this.#disposed) return Promise.reject(new Error("the spool was disposed of"));
    this.#reading++;
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, 0, buffer.length, position, (error, count) => {
        this.#released();
        if (error) return reject(error);
        if (count === 0)
          return reject(new Error("the spool file is shorter than what was written"));
        resolve(count === buffer.length ? buffer : buffer.subarray(0, count));
      });
    });
  }

  /** One reader less; the last one after dispose() closes. */
  #released(): void {
    this.#reading--;
    if (this.#disposed && this.#reading === 0) closeUnlinked(this.#fd);
  }
}
