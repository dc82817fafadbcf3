// Zstandard (RFC 8878) over node:zlib: frames one behind the other, skippable ones among them, one file in all. Also read for the
// members of zip files with that method.
import { constants, createZstdDecompress } from "node:zlib";
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const PIECE = 64 * 1024;
/** Windows of up to 64 MiB; only `--long` and the highest levels over larger files ask for more. */
const WINDOW_LOG = 26;
/** Frames as short as a few octets cost a decoder each. */
const MAX_FRAMES = 4096;

export const zstd: Format = {
  name: "zstd",
  kinds: ["zst"],
  extensions: ["zst", "zstd", "tzst"],
  suffixes: { zst: "", zstd: "", tzst: "tar" },
  *members(file, report) {
    if (!startsFrame(file, 0)) throw new Broken("zstd: no frame");
    const state = { end: 0 };
    yield { names: [], what: "file", octets: () => zstdOctets(file, state) };
    if (state.end > 0 && state.end < file.size) report.defect("container-trailing-data");
  },
};

/** Unpacks all frames from the start; `state.end` tells afterwards where they ended. Throws Broken at the damage. */
export async function* zstdOctets(file: Octets, state = { end: 0 }): AsyncGenerator<Buffer> {
  let at = 0;
  for (let frames = 0; startsFrame(file, at); frames++) {
    if (frames === MAX_FRAMES) throw new Broken("zstd: too many frames", "container-too-large");
    const skipped = lengthOfSkippable(file, at);
    if (skipped !== null) at += skipped;
    else at += yield* frameOf(octetsWithin(file, at, file.size - at));
    if (at > file.size) throw new Broken("zstd: cut off");
    state.end = at;
  }
}

function startsFrame(file: Octets, at: number): boolean {
  const mark = file.read(at, 4);
  return (
    mark.length === 4 && (mark.readUInt32LE(0) === FRAME || lengthOfSkippable(file, at) !== null)
  );
}

function lengthOfSkippable(file: Octets, at: number): number | null {
  const head = file.read(at, 8);
  if (head.length < 8 || (head.readUInt32LE(0) & 0xfffffff0) !== SKIPPABLE) return null;
  return 8 + head.readUInt32LE(4);
}

/** Unpacks one frame; returns its length. */
async function* frameOf(file: Octets): AsyncGenerator<Buffer, number> {
  const stream = createZstdDecompress({
    chunkSize: PIECE,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  });
  let failed: Error | null = null;
  let ended = false;
  let full = false;
  let wake = (): void => {};
  stream.on("readable", () => wake());
  stream.on("drain", () => {
    full = false;
    wake();
  });
  stream.on("end", () => {
    ended = true;
    wake();
  });
  stream.on("error", (error) => {
    failed = error;
    wake();
  });
  const input = pieces(file, PIECE);
  let more = true;
  try {
    while (!ended && failed === null) {
      const piece = stream.read() as Buffer | null;
      if (piece !== null) yield piece;
      else {
        const next: IteratorResult<Buffer, unknown> | null = more && !full ? input.next() : null;
        if (next?.done === true) {
          more = false;
          stream.end();
        } else if (next !== null) full = !stream.write(next.value);
        if (next === null || next.done === true || full)
          await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    if (failed !== null) throw brokenOf(failed);
    return stream.bytesWritten;
  } finally {
    stream.destroy();
  }
}

function brokenOf(error: Error): Broken {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ZSTD_error_frameParameter_windowTooLarge"
    ? new Broken("zstd: window larger than 64 MiB", "container-unsupported")
    : new Broken(`zstd: ${code ?? error.message}`);
}
