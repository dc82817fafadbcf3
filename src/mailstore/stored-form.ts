// A message as a Maildir keeps it: line ends LF, without Return-Path fields (ours is put in front). Converted once per message,
// shared by all its mailboxes. Small messages stay in memory; big ones are read from the spool again for every file.
import type { Body } from "../mail/message.ts";

/** Octets and how many LF are among them: a Maildir name tells the size with LF and with CRLF. */
export interface Piece {
  readonly data: Buffer;
  readonly lines: number;
}

export interface StoredForm {
  /** Everything, when the message was in memory; else null: use open(). */
  readonly pieces: readonly Piece[] | null;
  /** The Delivered-To values of the header, lower case; at most 1,000. */
  readonly deliveredTo: ReadonlySet<string>;
  /** The X-Postern-Via values: which recipients here sent this message on before. */
  readonly via: ReadonlySet<string>;
  /** True when the first line is white space first: it would continue a line put in front. */
  readonly startsFolded: boolean;
  open(): AsyncIterable<Piece>;
}

/** Fields are looked for in this much of a message; a longer header is malformed and stays as it is. */
const MAX_HEADER = 1024 * 1024;
const MAX_MARKS = 1000;
const CR = 13;
const LF = 10;

/**
 * Reads the header (all of the body when it is in memory). Rejects, as reading does later, when the spool cannot be read or
 * holds less than it should, and with the signal's reason.
 */
export async function storedForm(body: Body, signal: AbortSignal): Promise<StoredForm> {
  const { bytes } = body;
  if (bytes !== null) {
    const { data, lines } = newlines().convert(bytes);
    const { pieces, ...facts } = withoutReturnPath(data, lines);
    return { pieces, ...facts, open: () => emitted(pieces) };
  }
  for await (const first of headFirst(body, signal)) {
    const facts = withoutReturnPath(first.data, first.lines);
    return { ...facts, pieces: null, open: () => streamed(body, signal) };
  }
  return { ...withoutReturnPath(Buffer.alloc(0), 0), open: () => emitted([]) };
}

async function* emitted(pieces: readonly Piece[]): AsyncGenerator<Piece> {
  yield* pieces;
}

async function* streamed(body: Body, signal: AbortSignal): AsyncGenerator<Piece> {
  let first = true;
  for await (const piece of headFirst(body, signal)) {
    if (first) yield* withoutReturnPath(piece.data, piece.lines).pieces;
    else yield piece;
    first = false;
  }
}

/** The converted body; the first piece holds the whole header, or MAX_HEADER octets of it. */
async function* headFirst(body: Body, signal: AbortSignal): AsyncGenerator<Piece> {
  const { convert } = newlines();
  let head: Piece | null = { data: Buffer.alloc(0), lines: 0 };
  for await (const chunk of spooled(body, signal)) {
    const piece = convert([chunk]);
    if (head === null) {
      yield piece;
      continue;
    }
    const searched = Math.max(0, head.data.length - 1);
    head = {
      data: head.data.length === 0 ? piece.data : Buffer.concat([head.data, piece.data]),
      lines: head.lines + piece.lines,
    };
    if (head.data.includes("\n\n", searched) || head.data.length >= MAX_HEADER) {
      yield head;
      head = null;
    }
  }
  if (head !== null && head.data.length > 0) yield head;
}

/** The octets of the body, all of them or an exception; a read that hangs ends with the signal. */
async function* spooled(body: Body, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  // Nobody may be waiting when it happens.
  aborted.catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    const chunks = (body.lend?.() ?? body.open())[Symbol.asyncIterator]();
    let left = body.size;
    for (;;) {
      const next = await Promise.race([chunks.next(), aborted]);
      if (next.done === true) break;
      left -= next.value.length;
      yield next.value;
    }
    if (left !== 0) throw new Error(`the spool holds ${body.size - left} octets of ${body.size}`);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** CRLF → LF over pieces of any size; a CR at the end of one waits for the next (and at the very end means nothing). */
function newlines(): { convert: (chunks: readonly Buffer[]) => Piece } {
  let pendingCr = false;
  const convert = (chunks: readonly Buffer[]): Piece => {
    const room = chunks.reduce((sum, chunk) => sum + chunk.length, 1);
    const data = Buffer.allocUnsafe(room);
    let out = 0;
    let lines = 0;
    for (const chunk of chunks) {
      const { length } = chunk;
      if (length === 0) continue;
      if (pendingCr && chunk[0] !== LF) data[out++] = CR;
      const last = length - 1;
      for (let i = 0; i < last; i++) {
        const octet = chunk[i] as number;
        if (octet === LF) lines++;
        else if (octet === CR && chunk[i + 1] === LF) continue;
        data[out++] = octet;
      }
      const octet = chunk[last] as number;
      pendingCr = octet === CR;
      if (octet === LF) lines++;
      if (!pendingCr) data[out++] = octet;
    }
    return { data: data.subarray(0, out), lines };
  };
  return { convert };
}

/** Cuts the Return-Path fields out of a converted message and collects what the header says of earlier deliveries. */
function withoutReturnPath(
  data: Buffer,
  lines: number,
): Omit<StoredForm, "open" | "pieces"> & { pieces: readonly Piece[] } {
  const pieces: Piece[] = [];
  const deliveredTo = new Set<string>();
  const via = new Set<string>();
  let kept = 0;
  let cutLines = 0;
  for (const field of fields(data)) {
    if (field.name === "return-path") {
      if (field.start > kept) pieces.push({ data: data.subarray(kept, field.start), lines: 0 });
      kept = field.end;
      cutLines += field.lines;
    } else if (field.name === "delivered-to") {
      if (deliveredTo.size < MAX_MARKS) {
        deliveredTo.add(fieldValue(data, field).replace(/^<|>$/g, "").toLowerCase());
      }
    } else if (via.size < MAX_MARKS) via.add(fieldValue(data, field));
  }
  pieces.push({ data: data.subarray(kept), lines: lines - cutLines });
  const startsFolded = data[kept] === 32 || data[kept] === 9;
  return { pieces, deliveredTo, via, startsFolded };
}

function fieldValue(data: Buffer, { start, end }: FieldAt): string {
  return data.toString("utf8", data.indexOf(58, start) + 1, end).trim();
}

interface FieldAt {
  readonly name: (typeof KNOWN)[keyof typeof KNOWN];
  readonly start: number;
  /** After the LF of the last line. */
  readonly end: number;
  readonly lines: number;
}

/** The fields of the header block that are known here. */
function* fields(data: Buffer): Generator<FieldAt> {
  let at = 0;
  while (at < data.length && at < MAX_HEADER && data[at] !== LF) {
    const start = at;
    let lines = 0;
    do {
      const newline = data.indexOf(LF, at);
      at = newline < 0 ? data.length : newline + 1;
      lines += newline < 0 ? 0 : 1;
    } while (at < data.length && (data[at] === 32 || data[at] === 9));
    const name = knownName(data, start, at);
    if (name !== null) yield { name, start, end: at, lines };
  }
}

const KNOWN = { 82: "return-path", 68: "delivered-to", 88: "x-postern-via" } as const;

function knownName(data: Buffer, start: number, end: number): FieldAt["name"] | null {
  // Upper-cased first letter: nearly every field is dismissed by one octet.
  const name = KNOWN[((data[start] as number) & 0xdf) as keyof typeof KNOWN] as
    FieldAt["name"] | undefined;
  if (name === undefined) return null;
  const after = start + name.length;
  if (after >= end || data.toString("latin1", start, after).toLowerCase() !== name) return null;
  let colon = after;
  while (colon < end && (data[colon] === 32 || data[colon] === 9)) colon++;
  return data[colon] === 58 ? name : null;
}
