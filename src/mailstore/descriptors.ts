// The system calls of a delivery on bare descriptors, as promises: cheaper than FileHandle, which matters at thousands of
// files a second. Used by the files beside it.
import fs from "node:fs";

/** Opens and resolves with the descriptor; rejects with the errno exception, as all of these do. */
export function openFile(path: string, flags: number, mode?: number): Promise<number> {
  return new Promise((done, fail) => {
    fs.open(path, flags, mode, (error, fd) => (error ? fail(error) : done(fd)));
  });
}

export function closeFile(fd: number): Promise<void> {
  return new Promise((done, fail) => {
    fs.close(fd, (error) => (error ? fail(error) : done()));
  });
}

export function syncFile(fd: number): Promise<void> {
  return new Promise((done, fail) => {
    fs.fsync(fd, (error) => (error ? fail(error) : done()));
  });
}

export function renameFile(from: string, to: string): Promise<void> {
  return new Promise((done, fail) => {
    fs.rename(from, to, (error) => (error ? fail(error) : done()));
  });
}

export function removeFile(path: string): Promise<void> {
  return new Promise((done, fail) => {
    fs.unlink(path, (error) => (error ? fail(error) : done()));
  });
}

export function statFile(fd: number): Promise<fs.Stats> {
  return new Promise((done, fail) => {
    fs.fstat(fd, (error, stats) => (error ? fail(error) : done(stats)));
  });
}

/** Stat of a path; null when nothing is there. */
export function statPath(path: string): Promise<fs.Stats | null> {
  return new Promise((done, fail) => {
    fs.stat(path, (error, stats) => {
      if (error === null) done(stats);
      else if (error.code === "ENOENT" || error.code === "ENOTDIR") done(null);
      else fail(error);
    });
  });
}

/** Changes owner and group of an open file. */
export function ownFile(fd: number, uid: number, gid: number): Promise<void> {
  return new Promise((done, fail) => {
    fs.fchown(fd, uid, gid, (error) => (error ? fail(error) : done()));
  });
}

/** Reads from the current place until the buffer is full or the file ends; resolves with the octets read. */
export async function readSome(fd: number, buffer: Buffer): Promise<number> {
  for (let at = 0; ;) {
    const got = await new Promise<number>((done, fail) => {
      fs.read(fd, buffer, at, buffer.length - at, null, (error, read) =>
        error ? fail(error) : done(read),
      );
    });
    at += got;
    if (got === 0 || at === buffer.length) return at;
  }
}

/** Writes all octets, however many calls it takes. */
export async function writeAll(fd: number, pieces: readonly Buffer[]): Promise<void> {
  let left = pieces.filter((piece) => piece.length > 0);
  while (left.length > 0) {
    const written = await writeSome(fd, left.slice(0, 512));
    left = rest(left, written);
  }
}

function writeSome(fd: number, pieces: readonly Buffer[]): Promise<number> {
  return new Promise((done, fail) => {
    fs.writev(fd, pieces, null, (error, written) => (error ? fail(error) : done(written)));
  });
}

function rest(pieces: readonly Buffer[], written: number): Buffer[] {
  let skip = written;
  let at = 0;
  for (; at < pieces.length; at++) {
    const { length } = pieces[at] as Buffer;
    if (skip < length) break;
    skip -= length;
  }
  const left = pieces.slice(at);
  const first = left[0];
  if (first !== undefined && skip > 0) left[0] = first.subarray(skip);
  return left;
}

/** True for an exception that carries this errno name. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes(String((error as NodeJS.ErrnoException).code));
}
