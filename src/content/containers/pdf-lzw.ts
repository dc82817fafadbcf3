// LZW as PDF has it (ISO 32000-1, 7.4.4.2): codes of 9 to 12 bits, highest bit first. Used by pdf-filters.ts.

const CLEAR = 256;
const END = 257;
const CODES = 4_096;
const OUT = 16 * 1024;

/** Unpacks; `early`: codes grow one code earlier than they must, as is usual. Damage ends it. */
export function* lzwPieces(from: Iterable<Buffer>, early: boolean): Generator<Buffer> {
  const prefix = new Uint16Array(CODES);
  const last = new Uint8Array(CODES);
  const lengths = new Uint16Array(CODES).fill(1, 0, 256);
  for (let i = 0; i < 256; i++) last[i] = i;
  const spare = early ? 1 : 0;
  let known = END + 1;
  let before = -1;
  let held = 0;
  let bits = 0;
  let width = 9;
  let out = Buffer.allocUnsafe(OUT + CODES);
  let length = 0;
  for (const piece of from) {
    for (const octet of piece) {
      held = ((held << 8) | octet) & 0xffffff;
      bits += 8;
      if (bits < width) continue;
      bits -= width;
      const code = (held >> bits) & ((1 << width) - 1);
      if (code === END) {
        yield out.subarray(0, length);
        return;
      }
      if (code === CLEAR) {
        known = END + 1;
        width = 9;
        before = -1;
        continue;
      }
      if (code > known || (code === known && before < 0)) {
        yield out.subarray(0, length);
        return;
      }
      if (before >= 0 && known < CODES) {
        prefix[known] = before;
        lengths[known] = lengths[before]! + 1;
        // The code that is just being made ends as it begins.
        last[known] = firstOf(code === known ? before : code, prefix);
        known++;
      }
      if (code >= known) {
        yield out.subarray(0, length);
        return;
      }
      length += lengths[code]!;
      write(code, out, length, prefix, last);
      before = code;
      if (known + spare >= 1 << width && width < 12) width++;
      if (length < OUT) continue;
      yield out.subarray(0, length);
      out = Buffer.allocUnsafe(OUT + CODES);
      length = 0;
    }
  }
  yield out.subarray(0, length);
}

/** Writes what a code stands for so that it ends at `end`. */
function write(
  code: number,
  out: Buffer,
  end: number,
  prefix: Uint16Array,
  last: Uint8Array,
): void {
  let place = end;
  let one = code;
  for (; one >= 256; one = prefix[one]!) out[--place] = last[one]!;
  out[place - 1] = one;
}

function firstOf(code: number, prefix: Uint16Array): number {
  let one = code;
  while (one >= 256) one = prefix[one]!;
  return one;
}
