// Values with parameters, as in Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2183, RFC 2231), under all the
// readings that mail programs in use have: quotes missing or unclosed, semicolons missing, backslashes kept or removed,
// continuations joined by number or in order of arrival, a plain parameter beside its RFC 2231 form.
import { decodeCharset } from "./charset.ts";
import { decodeWords } from "./encoded-word.ts";

export interface Parameterized {
  /** Lower case, without comments and white space: "text/plain", "attachment"; "" when there is none. */
  readonly value: string;
  /** Lower-case name to every value that some reader sees, without repetitions: plain first, then RFC 2231, decoded. */
  readonly parameters: ReadonlyMap<string, readonly string[]>;
  /** True when a comment stood in the value itself (not among the parameters). */
  readonly commented: boolean;
  /** True when the text was longer than MAX_LENGTH or had more than MAX_PARAMETERS: the rest was not read. */
  readonly cut: boolean;
}

/** No mail program writes longer ones; each character costs time under several readings. */
export const MAX_LENGTH: number = 16 * 1024;
const MAX_PARAMETERS = 256;

interface Occurrence {
  /** Lower case, without the RFC 2231 suffix. */
  readonly name: string;
  /** n of name*n, null without. */
  readonly index: number | null;
  /** True for name* and name*n*. */
  readonly extended: boolean;
  readonly readings: readonly string[];
}

/** Reads an unfolded field value, at most `room` characters of it. Linear time, never throws. */
export function parseParameters(text: string, room: number = MAX_LENGTH): Parameterized {
  const most = Math.min(room, MAX_LENGTH);
  const source = text.length > most ? text.slice(0, most) : text;
  const marks = marksIn(source);
  const head = skipTo(source, 0, ";", marks);
  const bare = withoutComments(source.slice(0, head));
  const value = bare.replace(/\s+/g, "").toLowerCase();
  const occurrences: Occurrence[] = [];
  // "text/plain charset=us-ascii": a semicolon is missing.
  const early = /\s[\w-]+\*?\s*=/.exec(bare);
  const reader: Reader = { text: source, marks, at: head };
  if (early !== null) reader.at = source.indexOf(early[0].trim());
  while (reader.at < source.length && occurrences.length < MAX_PARAMETERS) {
    const one = readParameter(reader);
    if (one !== null) occurrences.push(one);
  }
  return {
    value: early === null ? value : bare.slice(0, early.index).replace(/\s+/g, "").toLowerCase(),
    parameters: combine(occurrences),
    commented: bare.length !== head,
    cut: source.length < text.length || reader.at < source.length,
  };
}

/** Reads a value without parameters: lower case, comments gone, cut at white space or a semicolon. */
export function parseToken(text: string): string {
  const bare = withoutComments(text.slice(0, MAX_LENGTH)).trim();
  return (/^[^\s;]*/.exec(bare)?.[0] ?? "").toLowerCase();
}

interface Reader {
  readonly text: string;
  readonly marks: Marks;
  at: number;
}

/** One parameter from behind any semicolons; null when there was only junk, which is skipped. */
function readParameter(reader: Reader): Occurrence | null {
  const { text } = reader;
  while (reader.at < text.length && /[;\s]/.test(text.charAt(reader.at))) reader.at++;
  const start = reader.at;
  let at = start;
  while (at < text.length && text[at] !== "=" && text[at] !== ";") {
    at = text[at] === "(" ? commentEnd(reader.marks, at) : at + 1;
  }
  if (at >= text.length || text[at] === ";") {
    reader.at = at;
    return null;
  }
  reader.at = at + 1;
  const label = lastWord(withoutComments(text.slice(start, at)));
  const readings = readValue(reader);
  const suffix = /^([^*]*)(?:\*(\d{1,4}))?(\*)?$/.exec(label.toLowerCase());
  if (suffix === null || suffix[1] === "") return null;
  return {
    name: suffix[1]!.replace(/["']/g, ""),
    index: suffix[2] === undefined ? null : Number(suffix[2]),
    extended: suffix[3] === "*",
    readings,
  };
}

/** All readings of the value that starts here; moves behind it. */
function readValue(reader: Reader): string[] {
  const { text } = reader;
  while (reader.at < text.length) {
    if (/\s/.test(text.charAt(reader.at))) reader.at++;
    else if (text[reader.at] === "(") reader.at = commentEnd(reader.marks, reader.at);
    else break;
  }
  return text[reader.at] === '"' ? readQuoted(reader) : readBare(reader);
}

function readQuoted(reader: Reader): string[] {
  const { text } = reader;
  const start = reader.at + 1;
  const close = quoteEnd(text, start, reader.marks);
  if (close < 0) {
    // The closing quote is missing: some readers take all that follows, some stop at the semicolon.
    const semicolon = text.indexOf(";", start);
    reader.at = semicolon < 0 ? text.length : semicolon;
    return distinct([text.slice(start, reader.at).trim(), text.slice(start).trim()]);
  }
  const raw = text.slice(start, close);
  const readings = [raw];
  if (raw.includes("\\")) {
    readings.unshift(raw.replace(/\\([\s\S])/g, "$1"));
    // A reader that knows no backslashes stops at the first quote.
    if (raw.includes('"')) readings.push(raw.slice(0, raw.indexOf('"')));
  }
  let at = close + 1;
  while (at < text.length && /\s/.test(text.charAt(at))) at++;
  reader.at = at;
  if (at >= text.length || text[at] === ";" || /^[\w-]+[*\d]*\s*=/.test(text.slice(at, at + 80))) {
    return distinct(readings);
  }
  const stop = skipTo(text, at, ";", reader.marks);
  const junk = withoutComments(text.slice(at, stop)).trim();
  reader.at = stop;
  if (junk !== "") readings.push(readings[0]! + junk.replace(/"/g, ""));
  return distinct(readings);
}

function readBare(reader: Reader): string[] {
  const { text } = reader;
  const start = reader.at;
  let stop = text.indexOf(";", start);
  if (stop < 0) stop = text.length;
  // Digits are letters of a word already: only the first * ends it, so that no digit can be read in two ways.
  const missing = /\s[\w-]+(?:\*[*\d]*)?=/.exec(text.slice(start, stop));
  if (missing !== null) stop = start + missing.index;
  reader.at = stop;
  const raw = text.slice(start, stop).trim();
  const readings = [raw];
  if (raw.includes("(")) readings.unshift(withoutComments(raw).trim());
  const word = /^\S*/.exec(raw)?.[0] ?? "";
  if (word !== raw && !raw.startsWith("=?")) readings.push(word);
  if (/^'.*'$/.test(raw)) readings.push(raw.slice(1, -1));
  if (raw.includes('"')) readings.push(raw.replace(/"/g, ""));
  return distinct(readings);
}

function combine(occurrences: readonly Occurrence[]): Map<string, readonly string[]> {
  const out = new Map<string, string[]>();
  const split = new Set<string>();
  const add = (name: string, values: readonly string[]): void => {
    const list = out.get(name);
    if (list === undefined) out.set(name, [...values]);
    else list.push(...values);
  };
  for (const one of occurrences) {
    if (one.index === null && !one.extended) add(one.name, one.readings);
    else split.add(one.name);
  }
  for (const name of split) {
    const own = occurrences.filter((one) => one.name === name);
    const whole = own.filter((one) => one.index === null && one.extended);
    for (const one of whole) add(name, one.readings.map(decodeExtended));
    const pieces = own.filter((one) => one.index !== null);
    if (pieces.length > 0) add(name, joinPieces(pieces));
  }
  for (const [name, values] of out) {
    const decoded = values.filter((value) => value.includes("=?")).map(decodeWords);
    out.set(name, distinct([...values, ...decoded]));
  }
  return out;
}

/** Continuations (RFC 2231 3): by number, first or last of equal numbers; and in order of arrival. */
function joinPieces(pieces: readonly Occurrence[]): string[] {
  const first = new Map<number, Occurrence>();
  const last = new Map<number, Occurrence>();
  for (const piece of pieces) {
    if (!first.has(piece.index!)) first.set(piece.index!, piece);
    last.set(piece.index!, piece);
  }
  const byNumber = (map: Map<number, Occurrence>): Occurrence[] =>
    [...map.values()].sort((a, b) => a.index! - b.index!);
  const ordered = byNumber(first);
  // Strict readers stop at the first gap in the numbers.
  const gap = ordered.findIndex((piece, i) => piece.index !== i);
  const orders = [ordered, byNumber(last), pieces];
  if (gap > 0) orders.push(ordered.slice(0, gap));
  return distinct(orders.map(joinInOrder));
}

function joinInOrder(pieces: readonly Occurrence[]): string {
  let charset = "";
  const octets = pieces.map((piece, i) => {
    let text = piece.readings[0] ?? "";
    if (!piece.extended) return Buffer.from(text);
    const prefix = i === 0 ? /^([^']*)'[^']*'/.exec(text) : null;
    if (prefix !== null) {
      charset = prefix[1]!;
      text = text.slice(prefix[0].length);
    }
    return percentDecoded(text);
  });
  return decodeCharset(Buffer.concat(octets), charset || "utf-8");
}

function decodeExtended(text: string): string {
  const prefix = /^([^']*)'[^']*'/.exec(text);
  const rest = prefix === null ? text : text.slice(prefix[0].length);
  return decodeCharset(percentDecoded(rest), prefix?.[1] || "utf-8");
}

function percentDecoded(text: string): Buffer {
  const octets = Buffer.from(text);
  let length = 0;
  for (let i = 0; i < octets.length; i++, length++) {
    const hex = octets[i] === 0x25 ? octets.toString("latin1", i + 1, i + 3) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      octets[length] = parseInt(hex, 16);
      i += 2;
    } else octets[length] = octets[i]!;
  }
  return octets.subarray(0, length);
}

/** Where the comments and the last quoted string of a text end; looked up once, since hostile text asks at every octet. */
interface Marks {
  /** Index behind the comment that opens there, by the index of its parenthesis. */
  readonly comments: ReadonlyMap<number, number>;
  /** Index of the last quote without a backslash before it, or -1. */
  readonly lastQuote: number;
}

/** A parenthesis whose comment is longer than this is an ordinary character, as one without an end is. */
const MAX_COMMENT = 1_024;

function marksIn(text: string): Marks {
  const comments = new Map<number, number>();
  /** Per open level the parentheses that its end closes: the one that opened it, and those behind backslashes. */
  const levels: number[][] = [[]];
  let lastQuote = -1;
  let escaped = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === OPEN && escaped) levels.at(-1)!.push(at);
    else if (char === OPEN) levels.push([at]);
    else if (!escaped && char === CLOSE) {
      for (const open of levels.pop()!) if (at - open < MAX_COMMENT) comments.set(open, at + 1);
      if (levels.length === 0) levels.push([]);
    } else if (!escaped && char === QUOTE) lastQuote = at;
    escaped = !escaped && char === BACKSLASH;
  }
  return { comments, lastQuote };
}

const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const BACKSLASH = 0x5c;

/** Index of `mark` outside comments and quoted strings, or the end. */
function skipTo(text: string, from: number, mark: string, marks: Marks): number {
  let at = from;
  while (at < text.length && text[at] !== mark) {
    if (text[at] === "(") at = commentEnd(marks, at);
    else if (text[at] === '"') {
      const close = quoteEnd(text, at + 1, marks);
      at = close < 0 ? at + 1 : close + 1;
    } else at++;
  }
  return at;
}

/** Index of the quote that ends the quoted string, or -1. */
function quoteEnd(text: string, from: number, { lastQuote }: Marks): number {
  for (let at = from; at <= lastQuote; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

/** Index behind the comment that opens at `from`; an unclosed parenthesis is taken as an ordinary character. */
function commentEnd({ comments }: Marks, from: number): number {
  return comments.get(from) ?? from + 1;
}

function withoutComments(text: string): string {
  if (!text.includes("(")) return text;
  const marks = marksIn(text);
  let out = "";
  for (let at = 0; at < text.length;) {
    const end = text[at] === "(" ? commentEnd(marks, at) : at;
    if (end > at + 1) at = end;
    else out += text[at++];
  }
  return out;
}

/** The last run of characters that are no white space; "" when there is none. */
function lastWord(text: string): string {
  const trimmed = text.trimEnd();
  let at = trimmed.length;
  while (at > 0 && !/\s/.test(trimmed.charAt(at - 1))) at--;
  return trimmed.slice(at);
}

function distinct(values: readonly string[]): string[] {
  return values.length < 2 ? [...values] : [...new Set(values)];
}
