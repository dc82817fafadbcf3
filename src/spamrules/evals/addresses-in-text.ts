// Mail addresses in running text, by the one pattern that FreeMail and HashBL share: user part of at most 64 octets, dots only between
// words, up to four labels and a known top-level name. Read by hand, since the pattern is slow and a text may hold 100,000 "@".

const LONGEST_USER = 64;
const LONGEST_LABEL = 61;
const MOST_LABELS = 5;

const WORD = 1;
const LABEL = 2;
const KIND = new Uint8Array(256);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
  KIND[char.charCodeAt(0)] = WORD | LABEL;
for (const char of "!#$%&'*+/=?^_`{|}~") KIND[char.charCodeAt(0)] = WORD;
KIND[0x2d] = WORD | LABEL;
const DOT = 0x2e;

export interface Found {
  readonly start: number;
  readonly end: number;
}

const is = (text: string, at: number, kind: number): boolean =>
  ((KIND[text.charCodeAt(at)] ?? 0) & kind) !== 0;

/**
 * The first address that starts at or behind `from` and of which `fits` says yes; null without one. Of "a.b@example.com" first the
 * whole, then "b@example.com" is offered.
 */
export function nextAddress(
  text: string,
  from: number,
  topLevel: ReadonlySet<string>,
  fits: (found: Found) => boolean = () => true,
): Found | null {
  for (let at = text.indexOf("@", from); at >= 0; at = text.indexOf("@", at + 1)) {
    const starts = userStarts(text, at, from);
    if (starts.length === 0) continue;
    const end = hostEnd(text, at + 1, topLevel);
    if (end < 0) continue;
    for (const start of starts) if (fits({ start, end })) return { start, end };
  }
  return null;
}

/** Where the user part before an "@" may start, from the left: at the start of each of its words. */
function userStarts(text: string, at: number, from: number): number[] {
  const starts: number[] = [];
  const limit = Math.max(at - LONGEST_USER, 0);
  let word = at;
  for (;;) {
    let start = word;
    while (start > limit && is(text, start - 1, WORD)) start -= 1;
    if (start === word) break; // no word: two dots, or one at the end
    if (start > 0 && is(text, start - 1, WORD)) break; // too long
    if (start >= from) starts.unshift(start);
    if (start - 1 <= limit || text.charCodeAt(start - 1) !== DOT) break;
    word = start - 1;
  }
  return starts;
}

/** Behind the host that starts here; -1 when it is none. */
function hostEnd(text: string, at: number, topLevel: ReadonlySet<string>): number {
  let start = at;
  for (let labels = 1; labels <= MOST_LABELS; labels += 1) {
    let end = start;
    while (end < text.length && end - start <= LONGEST_LABEL + 1 && is(text, end, LABEL)) end += 1;
    const more = text.charCodeAt(end) === DOT && isAlnum(text, end + 1);
    if (!more) return labels > 1 && topLevel.has(text.slice(start, end).toLowerCase()) ? end : -1;
    if (end - start > LONGEST_LABEL || !isAlnum(text, start) || !isAlnum(text, end - 1)) return -1;
    start = end + 1;
  }
  return -1;
}

function isAlnum(text: string, at: number): boolean {
  return is(text, at, LABEL) && text.charCodeAt(at) !== 0x2d;
}
