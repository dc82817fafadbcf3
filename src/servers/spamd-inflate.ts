// A message that came with "Compress: zlib", inflated with a bound and with its lines as spamd has them afterwards. Used by spamd.ts.
import { createInflate } from "node:zlib";
import type { SpoolWriter } from "../sys/spool.ts";
import type { Spool } from "../sys/spooled.ts";

const LF = 0x0a;
const PIECE = 64 * 1024;

/**
 * Writes into `writer`, which is discarded when it fails; `failed` is zlib's trouble in spamd's words, or what `room` said: it is asked
 * with the octets so far, and null lets it go on.
 */
export async function inflated(
  octets: Spool,
  room: (size: number) => string | null,
  writer: SpoolWriter,
): Promise<Spool | { readonly failed: string }> {
  const inflate = createInflate();
  const lines = new Lines();
  let size = 0;
  let full: string | null = null;
  try {
    const feeding = feed(octets, inflate);
    feeding.catch((error: unknown) => inflate.destroy(error as Error));
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      size += piece.length;
      full = room(size);
      if (full !== null) throw new Error(full);
      for (const part of lines.add(piece)) await writer.write(part);
    }
    await feeding;
    for (const part of lines.end()) await writer.write(part);
    return await writer.finish();
  } catch {
    inflate.destroy();
    writer.discard();
    return { failed: full ?? "failed to find end of zlib stream" };
  }
}

async function feed(octets: Spool, inflate: ReturnType<typeof createInflate>): Promise<void> {
  for await (const piece of octets.open()) {
    if (inflate.destroyed) return;
    if (!inflate.write(piece))
      await new Promise<void>((resolve) => {
        inflate.once("drain", resolve);
        inflate.once("close", resolve);
      });
  }
  if (!inflate.destroyed) inflate.end();
}

/** QUIRK: spamd takes an inflated message apart into lines and loses the empty ones at its end; its last line gets an end. */
class Lines {
  #held = 0;
  #last = LF;

  *add(piece: Buffer): Generator<Buffer> {
    let end = piece.length;
    while (end > 0 && piece[end - 1] === LF) end--;
    if (end > 0) {
      for (; this.#held > 0; this.#held -= Math.min(this.#held, PIECE))
        yield Buffer.alloc(Math.min(this.#held, PIECE), LF);
      this.#last = piece[end - 1] ?? LF;
      yield Buffer.from(piece.subarray(0, end));
    }
    this.#held += piece.length - end;
  }

  *end(): Generator<Buffer> {
    if (this.#last !== LF) yield Buffer.from([LF]);
  }
}
