// LZ4 frames (LZ4 Frame Format 1.6.4), one behind the other, skippable and legacy ones among them: one file in all.
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import { History } from "./history.ts";
import type { Octets } from "./octets.ts";

const FRAME = 0x184d2204;
const LEGACY = 0x184c2102;
const SKIPPABLE = 0x184d2a50;
const STORED = 0x80000000;
const LEAST_MATCH = 4;
const MAX_REPEAT = 1024;
const MAX_BLOCK = 8 * 1024 * 1024 + 65_536;
const MAX_FRAMES = 65_536;

export const lz4: Format = {
  name: "lz4",
  kinds: ["lz4"],
  suffixes: { lz4: "", tlz4: "tar" },
  *members(file, report) {
    const state = { end: 0 };
    yield { names: [], what: "file", octets: () => lz4Octets(file, state) };
    if (state.end > 0 && state.end < file.size) report.defect("container-trailing-data");
  },
};

/** The octets of all frames; `state.end` is set behind the last. Throws Broken at the damage, after what came before it. */
function* lz4Octets(file: Octets, state: { end: number }): Generator<Buffer> {
  const input = new Cursor(file);
  const history = new History();
  try {
    for (let frames = 0; ; frames++) {
      if (frames === MAX_FRAMES) throw new Broken("lz4: too many frames", "container-too-large");
      const start = input.at;
      const mark = start + 4 > file.size ? 0 : number(input);
      if (mark === FRAME) yield* frame(input, history);
      else if (mark === LEGACY) yield* legacyFrame(input, history, file.size);
      else if ((mark & 0xfffffff0) === SKIPPABLE) input.seek(input.at + 4 + number(input));
      else {
        if (start === 0) throw new Broken("lz4: no frame");
        state.end = start;
        break;
      }
      if (input.at > file.size) throw new Broken("lz4: ends early");
    }
  } catch (error) {
    yield history.take();
    throw error;
  }
  yield history.take();
}

function* frame(input: Cursor, history: History): Generator<Buffer> {
  const flags = octet(input);
  octet(input);
  if (flags >> 6 !== 1) throw new Broken("lz4: another version", "container-unsupported");
  if ((flags & 1) !== 0) throw new Broken("lz4: needs a dictionary", "container-unsupported");
  input.seek(input.at + ((flags & 8) !== 0 ? 8 : 0) + 1);
  const check = (flags & 0x10) !== 0 ? 4 : 0;
  for (let head = number(input); head !== 0; head = number(input)) {
    const size = (head & ~STORED) >>> 0;
    yield* block(input, history, size, head >= STORED);
    input.seek(input.at + check);
  }
  if ((flags & 4) !== 0) input.seek(input.at + 4);
}

/** Blocks up to the end of the file, or the mark of another frame. */
function* legacyFrame(input: Cursor, history: History, end: number): Generator<Buffer> {
  while (input.at + 4 <= end) {
    const start = input.at;
    const size = number(input);
    if (size > MAX_BLOCK) {
      input.seek(start);
      return;
    }
    yield* block(input, history, size, false);
  }
}

function* block(input: Cursor, history: History, size: number, stored: boolean): Generator<Buffer> {
  if (size > MAX_BLOCK) throw new Broken("lz4: bad block");
  const end = input.at + size;
  while (input.at < end) {
    const token = stored ? 0 : octet(input);
    const literals = stored ? size : lengthFrom(input, token >> 4);
    for (let left = literals; left > 0; left--) {
      history.add(octet(input));
      if (history.full) yield history.take();
    }
    // The last sequence ends with its literals.
    if (stored || input.at >= end) break;
    const distance = octet(input) | (octet(input) << 8);
    if (distance === 0) throw new Broken("lz4: bad distance");
    for (let left = lengthFrom(input, token & 15) + LEAST_MATCH; left > 0; left -= MAX_REPEAT) {
      history.repeat(distance - 1, Math.min(left, MAX_REPEAT));
      if (history.full) yield history.take();
    }
  }
}

/** A length of four bits goes on in octets when they are all ones. */
function lengthFrom(input: Cursor, bits: number): number {
  let length = bits;
  if (bits === 15)
    for (let more = 255; more === 255;) {
      more = octet(input);
      length += more;
    }
  return length;
}

function octet(input: Cursor): number {
  const next = input.next();
  if (next < 0) throw new Broken("lz4: ends early");
  return next;
}

function number(input: Cursor): number {
  const low = octet(input) | (octet(input) << 8);
  return (low | (octet(input) << 16) | (octet(input) << 24)) >>> 0;
}
