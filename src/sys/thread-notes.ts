// What a job in a thread writes down while it works, in memory that both sides see: so that one that was killed still leaves
// what it had, and what it was at. Written by thread-side.ts, read by threads.ts. Records are a length and UTF-8 text.

/** Two 32-bit numbers: octets in use, and 1 when a note found no room. */
const HEAD = 8;
const USED = 0;
const OVERFLOW = 1;
const FIRST = 16 * 1024;

/** Memory for the notes of one job; it grows up to `maxBytes`. */
export function notesMemory(maxBytes: number): SharedArrayBuffer {
  const most = Math.max(HEAD, maxBytes);
  const memory = new SharedArrayBuffer(Math.min(FIRST, most), { maxByteLength: most });
  new Int32Array(memory, 0, 2)[USED] = HEAD;
  return memory;
}

export class NoteWriter {
  readonly #memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  #octets: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.#head = new Int32Array(memory, 0, 2);
    this.#octets = Buffer.from(memory);
  }

  /** Adds a note; false when there is no room for it, which the other side sees too. */
  note(text: string): boolean {
    const length = Buffer.byteLength(text);
    const used = this.#head[USED]!;
    const end = used + 4 + length;
    if (end > this.#memory.maxByteLength) {
      Atomics.store(this.#head, OVERFLOW, 1);
      return false;
    }
    if (end > this.#memory.byteLength) {
      this.#memory.grow(
        Math.min(this.#memory.maxByteLength, Math.max(end, 2 * this.#memory.byteLength)),
      );
      this.#octets = Buffer.from(this.#memory);
    }
    this.#octets.writeUInt32LE(length, used);
    this.#octets.write(text, used + 4, "utf8");
    // Only now the other side sees it: a thread may be killed at any instant.
    Atomics.store(this.#head, USED, end);
    return true;
  }
}

/** The notes so far, in order. */
export function* readNotes(memory: SharedArrayBuffer): Generator<string> {
  const end = Atomics.load(new Int32Array(memory, 0, 2), USED);
  const octets = Buffer.from(memory);
  for (let at = HEAD; at < end;) {
    const from = at + 4;
    at = from + octets.readUInt32LE(at);
    yield octets.toString("utf8", from, at);
  }
}

/** True when a note found no room. */
export function notesOverflowed(memory: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(memory, 0, 2), OVERFLOW) === 1;
}
