// Finds many texts at once: each is known by the three neighbouring octets of it that are the rarest in mail, a table says which texts
// have such three, and only these are compared. Small tables stay in the processor's caches, which is what counts here. Used by
// prefilter.ts.
import { FOLD, weightOf } from "./literals.ts";

/** Bits of the number of a row at most, and at least. */
const MOST_BITS = 16;
const FEWEST_BITS = 6;

/** Texts by the octets that they are known by. */
interface Table {
  /** By hash: 0, or 1 + the place of a list. */
  readonly rows: Uint16Array;
  /** 32 - bits of a row's number. */
  readonly shift: number;
  /** By place of a list: where it begins in `entries`; one more at the end. */
  readonly starts: Int32Array;
  /** Numbers of texts, each followed by how many octets of it stand in front of the end of those that it is known by. */
  readonly entries: Int32Array;
}

export class TextSearch {
  /** All texts in a row, and where each begins; one more at the end. */
  readonly #octets: Buffer;
  readonly #starts: Int32Array;
  /** Of texts of one octet, of two, and of three or more. */
  readonly #tables: readonly (Table | null)[];
  /** By text: the last call that found it. */
  readonly #told: Int32Array;
  #call = 0;

  /** Texts are folded (literals.ts) and not empty; the numbers of those that are found are their places in the list. */
  constructor(texts: readonly string[]) {
    this.#octets = Buffer.from(texts.join(""), "latin1");
    this.#starts = new Int32Array(texts.length + 1);
    texts.forEach((text, number) => {
      this.#starts[number + 1] = this.#starts[number]! + text.length;
    });
    this.#tables = [1, 2, 3].map((width) => tableOf(texts, width));
    this.#told = new Int32Array(texts.length);
  }

  /** Octets of memory. */
  get size(): number {
    const tables = this.#tables.reduce(
      (sum, table) =>
        sum +
        (table === null
          ? 0
          : table.rows.byteLength + table.starts.byteLength + table.entries.byteLength),
      0,
    );
    return this.#octets.length + this.#starts.byteLength + this.#told.byteLength + tables;
  }

  /** Writes the numbers of the texts that are somewhere in octets `start` to `end` into `into`, each once; returns how many. */
  scan(octets: Uint8Array, start: number, end: number, into: Int32Array): number {
    this.#call++;
    let count = 0;
    for (let width = 1; width <= 3; width++) {
      const table = this.#tables[width - 1]!;
      if (table !== null && end - start >= width) {
        count = this.#scanFor(table, width, octets, start, end, into, count);
      }
    }
    return count;
  }

  #scanFor(
    { rows, shift, starts, entries }: Table,
    width: number,
    octets: Uint8Array,
    start: number,
    end: number,
    into: Int32Array,
    before: number,
  ): number {
    const mask = MASKS[width]!;
    let count = before;
    let key = 0;
    for (let at = start; at < end; at++) {
      key = ((key << 8) | FOLD[octets[at]!]!) & mask;
      const list = rows[Math.imul(key, HASH) >>> shift]!;
      if (list === 0) continue;
      const last = starts[list]!;
      for (let entry = starts[list - 1]!; entry < last; entry += 2) {
        const text = entries[entry]!;
        if (this.#told[text] === this.#call) continue;
        const from = at + 1 - entries[entry + 1]!;
        if (from < start || !this.#standsAt(text, octets, from, end)) continue;
        this.#told[text] = this.#call;
        into[count++] = text;
      }
    }
    return count;
  }

  #standsAt(text: number, octets: Uint8Array, from: number, end: number): boolean {
    const first = this.#starts[text]!;
    const length = this.#starts[text + 1]! - first;
    if (from + length > end) return false;
    for (let at = 0; at < length; at++) {
      if (FOLD[octets[from + at]!] !== this.#octets[first + at]) return false;
    }
    return true;
  }
}

const MASKS = [0, 0xff, 0xffff, 0xff_ffff];
const HASH = 0x9e37_79b1 | 0;

function tableOf(texts: readonly string[], width: number): Table | null {
  const known: { readonly text: number; readonly end: number; readonly key: number }[] = [];
  texts.forEach((text, number) => {
    if (text.length < width || (width < 3 && text.length > width)) return;
    const end = rarest(text, width);
    let key = 0;
    for (let at = end - width; at < end; at++) key = (key << 8) | text.charCodeAt(at);
    known.push({ text: number, end, key });
  });
  if (known.length === 0) return null;
  const wanted = Math.ceil(Math.log2(known.length)) + 3;
  const bits = Math.min(MOST_BITS, Math.max(FEWEST_BITS, wanted));
  const shift = 32 - bits;
  const lists = new Map<number, number[]>();
  for (const { text, end, key } of known) {
    const row = Math.imul(key, HASH) >>> shift;
    const list = lists.get(row);
    if (list === undefined) lists.set(row, [text, end]);
    else list.push(text, end);
  }
  const rows = new Uint16Array(2 ** bits);
  const starts = new Int32Array(lists.size + 1);
  const entries = new Int32Array(2 * known.length);
  let place = 0;
  for (const [row, list] of lists) {
    entries.set(list, starts[place]!);
    starts[place + 1] = starts[place]! + list.length;
    rows[row] = ++place;
  }
  return { rows, shift, starts, entries };
}

/** Where the neighbours end that are the rarest in mail. */
function rarest(text: string, width: number): number {
  let best = width;
  let least = Infinity;
  for (let end = width; end <= text.length; end++) {
    let often = 1;
    for (let at = end - width; at < end; at++) often *= weightOf(text.charCodeAt(at));
    if (often < least) [best, least] = [end, often];
  }
  return best;
}
