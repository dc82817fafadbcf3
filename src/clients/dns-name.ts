// Domain names on the wire (RFC 1035 3.1, 4.1.4): text to labels and back, with compression. Called by dns-packet.ts; what
// comes in is hostile: pointers only lead backwards, names end at 255 octets, odd octets are escaped as in a zone file.

const MAX_NAME = 255;
const MAX_LABEL = 63;
/** A name needs at most one pointer for each of its labels. */
const MAX_POINTERS = 128;

/** Lower case without the dot at the end: what two spellings of one name have in common. */
export function nameKey(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/** The labels with their lengths and the empty one; null for what cannot be a name (empty label, over-long, not ASCII). */
export function encodeName(name: string): Buffer | null {
  const text = name.endsWith(".") ? name.slice(0, -1) : name;
  // A name without its dots and lengths is one octet shorter than on the wire, and the root ends it.
  if (text === "" || text.length > MAX_NAME - 2 || /[^\x21-\x7e]/.test(text)) return null;
  const octets = Buffer.allocUnsafe(text.length + 2);
  let length = 0;
  for (let at = text.length; at >= 0; at--) {
    const dot = at === 0;
    if (!dot && text.charCodeAt(at - 1) !== 0x2e) {
      octets[at] = text.charCodeAt(at - 1);
      length++;
      continue;
    }
    if (length === 0 || length > MAX_LABEL) return null;
    octets[at] = length;
    length = 0;
  }
  octets[text.length + 1] = 0;
  return octets;
}

/** The same name with the case of each letter drawn by lot, so that a forger must guess it too. */
export function withRandomCase(name: Buffer, random: Buffer): Buffer {
  const mixed = Buffer.from(name);
  for (let at = 0; at < mixed.length; at++) {
    const letter = (mixed[at] ?? 0) | 0x20;
    // Lengths end at 63: none of them is taken for a letter.
    if (letter < 0x61 || letter > 0x7a) continue;
    const bit = ((random[(at >> 3) % random.length] ?? 0) >> (at & 7)) & 1;
    mixed[at] = bit === 1 ? letter : letter & 0xdf;
  }
  return mixed;
}

/** The name at `at` as text without a dot at the end ("" is the root) and the octet behind it; null when it is malformed. */
export function readName(
  octets: Buffer,
  at: number,
): { readonly name: string; readonly next: number } | null {
  let text = "";
  let size = 1;
  let next = -1;
  let start = at;
  let pointers = 0;
  for (;;) {
    const length = octets[at];
    if (length === undefined) return null;
    if (length === 0) return { name: text, next: next < 0 ? at + 1 : next };
    if (length <= MAX_LABEL) {
      size += length + 1;
      if (size > MAX_NAME || at + 1 + length > octets.length) return null;
      const label = octets.toString("latin1", at + 1, at + 1 + length);
      text += text === "" ? shown(label) : `.${shown(label)}`;
      at += 1 + length;
      continue;
    }
    const low = octets[at + 1];
    if (length < 0xc0 || low === undefined || ++pointers > MAX_POINTERS) return null;
    if (next < 0) next = at + 2;
    at = ((length & 0x3f) << 8) | low;
    // Strictly backwards: no loop can be built.
    if (at >= start) return null;
    start = at;
  }
}

/** Dots, backslashes and what cannot be printed, as \DDD (RFC 1035 5.1). */
function shown(label: string): string {
  if (!/[^!-~]|[.\\]/.test(label)) return label;
  return label.replace(/[^!-~]|[.\\]/g, (c) => `\\${c.charCodeAt(0).toString().padStart(3, "0")}`);
}
