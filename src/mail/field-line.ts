// Header fields that we write ourselves (RFC 5322 2.2, RFC 2047): text of any origin becomes printable ASCII without line
// ends, then one folded field. Used by verdict/edits.ts, mail/dsn.ts and the quarantine.

/** Longest line without CRLF that RFC 5322 2.1.1 allows is 998; ours stay well below. */
const HARD_LIMIT = 900;
const SOFT_LIMIT = 76;
const WIDTH = 78;
/** Octets of text in one encoded word, so that =?UTF-8?B?…?= stays within 75 characters (RFC 2047 2). */
const WORD_OCTETS = 45;

/**
 * Text for a header value: one line, no control characters (they become "?"), words with anything but ASCII as RFC 2047
 * encoded words; text that merely looks like an encoded word is encoded too. Cut after `maxChars` characters.
 */
export function headerText(text: string, maxChars = 1_500): string {
  return encodeWords(text, maxChars, /[^\x20-\x7e]|=\?/);
}

/** As headerText, but words that are encoded already stay as they are: for a value that stood in a header before. */
export function reencodedText(value: string, maxChars = 4_000): string {
  return encodeWords(value, maxChars, /[^\x20-\x7e]/);
}

/** The whole text as one or more encoded words, spaces at its ends included. */
export function encodedWords(text: string): string {
  const words: string[] = [];
  let piece = "";
  let octets = 0;
  for (const character of text.toWellFormed()) {
    const more = Buffer.byteLength(character);
    if (octets + more > WORD_OCTETS) {
      words.push(piece);
      piece = "";
      octets = 0;
    }
    piece += character;
    octets += more;
  }
  words.push(piece);
  return words.map((word) => `=?UTF-8?B?${Buffer.from(word).toString("base64")}?=`).join(" ");
}

/**
 * A complete field, "Name: value", folded with CRLF and a space where `value` has spaces; no trailing CRLF. A word that
 * is too long for any line is broken. `value` must come from headerText or be printable ASCII; anything else becomes "?".
 */
export function fieldLine(name: string, value: string): string {
  const words = printable(value)
    .split(" ")
    .filter((word) => word !== "")
    .flatMap(broken);
  let line = `${name}:`;
  const lines: string[] = [];
  let empty = true;
  for (const word of words) {
    if (!empty && line.length + 1 + word.length > SOFT_LIMIT) {
      lines.push(line);
      line = "";
    }
    line += ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines.join("\r\n");
}

/**
 * The same from pieces that stay whole: a line ends only between two of them, and holds as many as fit into 78 characters (RFC 5322
 * 2.1.1). Pieces as `value` above; an empty one counts for nothing.
 */
export function piecedLine(name: string, pieces: readonly string[]): string {
  const lines: string[] = [];
  let line = `${name}:`;
  let empty = true;
  for (const piece of pieces) {
    const text = printable(piece).slice(0, HARD_LIMIT);
    if (text === "") continue;
    if (!empty && line.length + 1 + text.length > WIDTH) {
      lines.push(line);
      line = "";
    }
    line += ` ${text}`;
    empty = false;
  }
  lines.push(line);
  return lines.join("\r\n");
}

/**
 * True when `line` is one field as an edit may carry it: no NUL, every line end a CRLF followed by white space, no line
 * above 998 octets.
 */
export function isFoldedField(line: string): boolean {
  if (/\0|\r(?!\n[ \t])|(?<!\r)\n/.test(line)) return false;
  return line.split("\r\n").every((part) => Buffer.byteLength(part) <= 998);
}

function encodeWords(text: string, maxChars: number, needs: RegExp): string {
  let clean = text.length > maxChars ? `${text.slice(0, maxChars)}...` : text;
  clean = clean.toWellFormed().replace(/[\x00-\x1f\x7f]/g, "?");
  if (!needs.test(clean)) return clean;
  const out: string[] = [];
  let run: string[] = [];
  const flush = (): void => {
    if (run.length > 0) out.push(encodedWords(run.join(" ")));
    run = [];
  };
  for (const word of clean.split(" ")) {
    // Spaces between two encoded words are nothing to a reader (RFC 2047 6.2): a run of spaces goes into the word.
    if (needs.test(word) || (word === "" && run.length > 0)) run.push(word);
    else {
      flush();
      out.push(word);
    }
  }
  flush();
  return out.join(" ");
}

function broken(word: string): string[] {
  if (word.length <= HARD_LIMIT) return [word];
  const pieces: string[] = [];
  for (let at = 0; at < word.length; at += HARD_LIMIT) pieces.push(word.slice(at, at + HARD_LIMIT));
  return pieces;
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
