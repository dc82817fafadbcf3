// Streaming decoders of the transfer encodings (RFC 2045 6), as forgiving as the mail programs that will open the part:
// junk is skipped, base64 goes on after padding. They say when they had to. Called by the MIME walker for each leaf.
import type { DefectKind } from "./defects.ts";
import { USUAL, type Habits } from "./habits.ts";

export type Encoding = "identity" | "base64" | "quoted-printable";

export interface Decoder {
  /** The octets that this chunk adds; may share memory with the chunk, may be empty. */
  write(chunk: Buffer): Buffer;
  /** What was left at the end. */
  end(): Buffer;
  /** Kinds of what was wrong so far, without repetitions. */
  readonly faults: ReadonlySet<DefectKind>;
}

const EMPTY = Buffer.alloc(0);
const NO_FAULTS: ReadonlySet<DefectKind> = new Set();

/**
 * A decoder for one part. `reuses`: of what write() returns only the first octets stay, later ones until the next call: then a
 * large part makes no garbage (base64, which nearly all of them are).
 */
export function decoder(
  encoding: Encoding,
  reuses: boolean = false,
  habits: Habits = USUAL,
): Decoder {
  switch (encoding) {
    case "identity":
      return { write: (chunk) => chunk, end: () => EMPTY, faults: NO_FAULTS };
    case "base64":
      return habits.urlAlphabet ? urlBase64(reuses, habits) : base64(reuses, habits);
    case "quoted-printable":
      return quotedPrintable(habits);
  }
}

const LF = 0x0a;
const CR = 0x0d;

/** Six-bit value of each octet; 64 = white space, 65 = "=", 66 = junk. */
const SIX_BITS = new Uint8Array(256).fill(66);
for (let i = 0; i < 64; i++) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  SIX_BITS[alphabet.charCodeAt(i)] = i;
}
for (const space of [CR, LF, 0x20, 0x09]) SIX_BITS[space] = 64;
SIX_BITS[0x3d] = 65;

/** Below this the native decoder's call costs more than it saves. */
const MIN_SLAB = 192;

interface Base64State {
  /** Bits of an unfinished group and how many six-bit characters it has. */
  bits: number;
  count: number;
  padded: boolean;
  /** True when padding came and nothing is read behind it. */
  ended: boolean;
  readonly paddingEnds: boolean;
  readonly faults: Set<DefectKind>;
}

/** The alphabet for file names and URLs (RFC 4648 5), which some readers take as well. */
function urlBase64(reuses: boolean, habits: Habits): Decoder {
  const inner = base64(reuses, habits);
  return {
    ...inner,
    write(chunk) {
      const plain = Buffer.from(chunk);
      for (let i = 0; i < plain.length; i++) {
        if (plain[i] === 0x2d) plain[i] = 0x2b;
        else if (plain[i] === 0x5f) plain[i] = 0x2f;
      }
      return inner.write(plain);
    },
  };
}

function base64(reuses: boolean, { paddingEnds }: Habits): Decoder {
  let given = false;
  let kept: Buffer = EMPTY;
  const faults = new Set<DefectKind>();
  const state = { bits: 0, count: 0, padded: false, ended: false, paddingEnds, faults };
  return {
    faults: state.faults,
    write(chunk) {
      const room = ((chunk.length * 3) >> 2) + 3;
      const out = kept.length >= room ? kept : Buffer.allocUnsafe(room);
      let length = 0;
      let at = 0;
      let slowUntil = 0;
      while (at < chunk.length && !state.ended) {
        if (
          state.count === 0 &&
          !state.padded &&
          at >= slowUntil &&
          chunk.length - at >= MIN_SLAB
        ) {
          const taken = decodeSlab(chunk, at, out, length);
          length += taken.written;
          at = taken.next;
          // What follows is irregular: a stretch by hand; after a vain attempt the whole chunk, so that there is only one.
          slowUntil = taken.written === 0 ? chunk.length : at + MIN_SLAB * 4;
          if (at >= chunk.length) break;
        }
        const stop = Math.min(chunk.length, Math.max(slowUntil, at + 4));
        length = decodeByHand(state, chunk, at, stop, out, length);
        at = stop;
        // Go on by hand up to the border of a group, where the native decoder can start.
        while (at < chunk.length && state.count !== 0) {
          length = decodeByHand(state, chunk, at, ++at, out, length);
        }
      }
      if (reuses && given) kept = out;
      given ||= length > 0;
      return out.subarray(0, length);
    },
    end() {
      if (state.count === 0) return EMPTY;
      state.faults.add("base64-truncated");
      return flushGroup(state);
    },
  };
}

/**
 * Decodes as many whole groups as stand in regular lines from `at`, natively. The proof that nothing was skipped is
 * the length: every character that is neither alphabet nor one of the counted line ends would shorten the result.
 */
function decodeSlab(
  chunk: Buffer,
  at: number,
  out: Buffer,
  offset: number,
): { written: number; next: number } {
  const { end, newlines } = regularLines(chunk, at);
  let stop = end;
  for (let extra = (end - at - newlines) & 3; extra > 0;) {
    stop--;
    if (chunk[stop] !== LF && chunk[stop] !== CR) extra--;
  }
  // Line ends left behind the last group were counted too.
  let inside = newlines;
  for (let i = stop; i < end; i++) if (chunk[i] === LF || chunk[i] === CR) inside--;
  const expected = ((stop - at - inside) / 4) * 3;
  if (stop - at < MIN_SLAB) return { written: 0, next: at };
  const slab = chunk.subarray(at, stop);
  // The native decoder takes the URL alphabet as well; for mail these two are junk.
  if (slab.includes(0x2d) || slab.includes(0x5f)) return { written: 0, next: at };
  const written = out.write(slab.toString("latin1", 0, slab.length), offset, "base64");
  return written === expected ? { written, next: stop } : { written: 0, next: at };
}

/** How far lines of one length reach from `at`, and how many octets of line ends are among them. */
function regularLines(chunk: Buffer, at: number): { end: number; newlines: number } {
  const first = chunk.indexOf(LF, at);
  if (first < 0) return { end: chunk.length, newlines: 0 };
  const width = first > at && chunk[first - 1] === CR ? 2 : 1;
  const second = chunk.indexOf(LF, first + 1);
  let end = first + 1;
  let newlines = width;
  const step = second < 0 ? 0 : second - first;
  if (step > width) {
    for (let next = end + step; next <= chunk.length; next += step) {
      if (chunk[next - 1] !== LF || (width === 2 && chunk[next - 2] !== CR)) break;
      end = next;
      newlines += width;
    }
  }
  return { end, newlines };
}

function decodeByHand(
  state: Base64State,
  chunk: Buffer,
  from: number,
  to: number,
  out: Buffer,
  offset: number,
): number {
  let { bits, count } = state;
  let length = offset;
  for (let i = from; i < to && !state.ended; i++) {
    const six = SIX_BITS[chunk[i]!]!;
    if (six < 64) {
      if (state.padded) {
        state.faults.add("base64-after-padding");
        state.padded = false;
      }
      bits = (bits << 6) | six;
      if (++count === 4) {
        out[length++] = bits >> 16;
        out[length++] = bits >> 8;
        out[length++] = bits;
        bits = 0;
        count = 0;
      }
    } else if (six === 65) {
      state.ended = state.paddingEnds && count > 1;
      if (count > 0) {
        const left = flushGroup({ ...state, bits, count });
        for (const octet of left) out[length++] = octet;
        bits = 0;
        count = 0;
      }
      state.padded = true;
    } else if (six === 66) state.faults.add("base64-junk");
  }
  state.bits = bits;
  state.count = count;
  return length;
}

/** The whole octets of an unfinished group. */
function flushGroup(state: Base64State): Buffer {
  const { bits, count } = state;
  if (count === 2) return Buffer.from([(bits >> 4) & 0xff]);
  if (count === 3) return Buffer.from([(bits >> 10) & 0xff, (bits >> 2) & 0xff]);
  return EMPTY;
}

/** Trailing white space up to this length is dropped (RFC 2045 6.7 rule 3); a longer run is content. */
const MAX_TRAILING = 256;

function quotedPrintable({ equalsPairs }: Habits): Decoder {
  const faults = new Set<DefectKind>();
  // Octets that cannot be judged before more has come: "=", "=4", white space and CR before a line end.
  let held: Buffer = EMPTY;
  const run = (chunk: Buffer, final: boolean): Buffer => {
    const input = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const done = decodeQuoted(input, final, faults, equalsPairs);
    held = done.next < input.length ? Buffer.from(input.subarray(done.next)) : EMPTY;
    return done.octets;
  };
  return { write: (chunk) => run(chunk, false), end: () => run(EMPTY, true), faults };
}

function decodeQuoted(
  input: Buffer,
  final: boolean,
  faults: Set<DefectKind>,
  equalsPairs: boolean,
): { octets: Buffer; next: number } {
  const out = Buffer.allocUnsafe(input.length);
  let length = 0;
  let at = 0;
  while (at < input.length) {
    const octet = input[at]!;
    const isEquals = octet === 0x3d;
    if (!isEquals) {
      const run = plainEnd(input, at);
      if (run > at) {
        // Most runs are a few words; a native copy would cost more than it saves.
        if (run - at > 64) length += input.copy(out, length, at, run);
        else for (let i = at; i < run; i++) out[length++] = input[i]!;
        at = run;
        continue;
      }
    }
    if (equalsPairs && isEquals && (input[at + 1] === 0x3d || (at + 1 >= input.length && !final))) {
      if (at + 1 >= input.length) break;
      out[length++] = octet;
      at += 2;
      continue;
    }
    const high = isEquals ? hexValue(input[at + 1]) : -1;
    const low = high < 0 ? -1 : hexValue(input[at + 2]);
    if (low >= 0) {
      out[length++] = (high << 4) | low;
      at += 3;
      continue;
    }
    if (high >= 0 && at + 2 >= input.length && !final) break;
    const white = whiteEnd(input, isEquals ? at + 1 : at);
    const more =
      white.end >= input.length || (input[white.end] === CR && white.end + 1 >= input.length);
    if (more && !white.long && !final) break;
    const breakEnd = white.long ? -1 : lineBreakEnd(input, white.end);
    if (isEquals && (breakEnd >= 0 || (white.end >= input.length && final))) {
      at = breakEnd >= 0 ? breakEnd : input.length;
    } else if (isEquals) {
      faults.add("quoted-printable-junk");
      out[length++] = octet;
      at++;
    } else if (breakEnd >= 0 || (white.end >= input.length && !white.long)) {
      at = white.end;
    } else {
      while (at < white.end) out[length++] = input[at++]!;
    }
  }
  return { octets: out.subarray(0, length), next: at };
}

/** Where octets end that stand for themselves: before "=" and before white space that may end a line. */
function plainEnd(input: Buffer, from: number): number {
  const { length } = input;
  for (let at = from; at < length; at++) {
    const octet = input[at]!;
    if (octet === 0x3d) return at;
    if (octet === 0x20 || octet === 0x09) {
      if (at + 1 === length || input[at + 1]! <= 0x20) return at;
    }
  }
  return length;
}

/** Where the run of white space ends; `long` when it goes on past MAX_TRAILING. */
function whiteEnd(input: Buffer, from: number): { end: number; long: boolean } {
  const limit = from + MAX_TRAILING;
  let end = from;
  while (end < limit && (input[end] === 0x20 || input[end] === 0x09)) end++;
  return { end, long: end === limit };
}

function lineBreakEnd(input: Buffer, at: number): number {
  if (input[at] === LF) return at + 1;
  return input[at] === CR && input[at + 1] === LF ? at + 2 : -1;
}

function hexValue(octet: number | undefined): number {
  if (octet === undefined) return -1;
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const upper = octet & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}
