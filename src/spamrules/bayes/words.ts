// From one line of text to the words that Bayes counts, with SpamAssassin's habits: what splits, what is cut off, what is counted in several
// forms. Called by tokens.ts for every line of the body, every URI and every header field.

/** Where a line stands: words of the body are counted in more forms, those of URIs are not shortened. */
export type Region = "header" | "body" | "uri";

export interface WordRules {
  /** Longer words are cut down to their first seven characters. */
  readonly maxLength: number;
  readonly isStopword: (word: string) => boolean;
}

/** Labels of a host name that are counted one by one; longer names are no names. */
const MAX_LABELS = 127;

const OTHER = /[^A-Za-z0-9,@*!_'"$. -]/g;
const PIECES =
  /[A-Za-z0-9,@*!_'"$. -]+|[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[^]/g;

/** Adds the words of a line to `out`, in every form, each with its prefix; words may repeat. */
export function wordsOf(
  line: string,
  prefix: string,
  region: Region,
  rules: WordRules,
  out: string[],
): void {
  let text = separated(line);
  if (text.includes("..."))
    text = text.replace(/([A-Za-z0-9_])(\.{3,6})([A-Za-z0-9_])/g, "$1 $2 $3");
  if (text.includes("--")) text = text.replace(/([A-Za-z0-9_])(-{2,6})([A-Za-z0-9_])/g, "$1 $2 $3");
  // A capital that only starts a sentence says nothing.
  if (region !== "header")
    text = text.replace(
      /(?:^|\. +)([A-Z])([^A-Z]+)(?: |$)/g,
      (_, first: string, rest: string) => ` ${first.toLowerCase()}${rest} `,
    );
  for (let at = 0; at < text.length;) {
    const space = text.indexOf(" ", at);
    const end = space < 0 ? text.length : space;
    if (end - at > 2) addWord(trimmed(text, at, end), prefix, region, rules, out);
    at = end + 1;
  }
}

/** Everything that is neither part of a word nor a whole character in UTF-8 becomes a blank; lone octets from A1 on stay. */
function separated(line: string): string {
  if (!/[\x80-\xff]/.test(line)) return line.replace(OTHER, " ");
  return line.replace(PIECES, (piece) => {
    if (piece.length > 1 || piece >= "\xa1") return piece;
    OTHER.lastIndex = 0;
    return OTHER.test(piece) ? " " : piece;
  });
}

/** Without quotes, dots, commas and hyphens at its ends. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isEdge(text.charCodeAt(start))) start++;
  while (end > start && isEdge(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isEdge = (octet: number): boolean =>
  octet === 0x2d || octet === 0x27 || octet === 0x22 || octet === 0x2e || octet === 0x2c;

function addWord(
  word: string,
  prefix: string,
  region: Region,
  rules: WordRules,
  out: string[],
): void {
  if (word.length < 3 || rules.isStopword(word)) return;
  if (region !== "header") addPlaces(word, out);
  let kept = word;
  if (word.length > rules.maxLength && !word.includes("*")) {
    if (/[\x80-\xbf]{2}/.test(word)) {
      // Scripts without blanks: each character of three or four octets is a word.
      const characters = word.match(/(?:[\xe0-\xef]|[\xf0-\xf4][\x80-\xbf])[\x80-\xbf]{2}/g);
      if (characters !== null) {
        for (const character of characters) out.push(`${prefix}u8:${character}`);
        return;
      }
    }
    if (region !== "uri") kept = shortened(word);
  }
  if (region !== "header") addForms(kept, prefix, out);
  out.push(prefix + kept);
}

/** Mail addresses and host names in the text, with all that they end in. They bear no prefix, visible or not. */
function addPlaces(word: string, out: string[]): void {
  const at = word.indexOf("@", 1);
  if (at > 0 && at < word.length - 1) addAddress(word, out);
  else if (/.\.[A-Za-z]/.test(word)) {
    out.push(`UD:${word}`);
    addTails(word, "UD:", out);
  }
}

/** "U*local", "D*example.org", "D*org". */
export function addAddress(address: string, out: string[]): void {
  const at = address.lastIndexOf("@", address.length - 2);
  if (at < 1) return;
  const domain = address.slice(at + 1);
  out.push(`U*${address.slice(0, at)}`, `D*${domain}`);
  addTails(domain, "D*", out);
}

function addTails(host: string, prefix: string, out: string[]): void {
  for (let at = 0, labels = 0; labels < MAX_LABELS; labels++) {
    const dot = host.indexOf(".", at);
    if (dot <= at || dot === host.length - 1) return;
    at = dot + 1;
    out.push(prefix + host.slice(at));
  }
}

/** Without punctuation, in lower case, and both. */
function addForms(word: string, prefix: string, out: string[]): void {
  const marked = /[^A-Za-z0-9_:*]/.test(word);
  const bare = marked ? word.replace(/[^A-Za-z0-9_:*]/g, "") : word;
  if (marked) out.push(prefix + bare);
  if (!/[A-Z]/.test(word)) return;
  out.push(prefix + lowerCase(word));
  if (marked) out.push(prefix + lowerCase(bare));
}

/** Of ASCII letters only. */
const lowerCase = (word: string): string => word.replace(/[A-Z]+/g, (run) => run.toLowerCase());

/** "sk:" and seven characters, if at least two octets follow. */
function shortened(word: string): string {
  let at = 0;
  for (let n = 0; n < 7; n++) {
    if (at >= word.length) return word;
    at += characterLength(word, at);
  }
  return word.length - at >= 2 ? `sk:${word.slice(0, at)}` : word;
}

function characterLength(word: string, at: number): number {
  const octet = word.charCodeAt(at);
  const length = octet < 0xc0 || octet > 0xf4 ? 1 : octet < 0xe0 ? 2 : octet < 0xf0 ? 3 : 4;
  for (let n = 1; n < length; n++) {
    const next = word.charCodeAt(at + n);
    if (!(next >= 0x80 && next <= 0xbf)) return 1;
  }
  return length;
}
