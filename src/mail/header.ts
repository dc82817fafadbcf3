// The header block of a message (RFC 5322 2.2) with its exact bytes: the raw octets of all fields and the empty line,
// one after the other, are the block again. Read by the receiver, the edits and, for every part, the MIME walker.
import { isAscii, isUtf8 } from "node:buffer";
import { defect } from "./defects.ts";
import type { Defect } from "./message.ts";

export interface Field {
  /** As written, without the colon and the white space before it. */
  readonly name: string;
  /** The whole field as it stands, its line ends included. */
  readonly raw: Buffer;
  /** What follows the colon, unfolded (CRLF before white space removed), trimmed; UTF-8 if valid, else Latin-1. */
  readonly value: string;
}

export interface Header {
  /** In order; a line that is no field (mbox "From ", garbage) stands among them with the name "". */
  readonly fields: readonly Field[];
  /** Octets up to where the body starts, the empty line included. */
  readonly size: number;
}

export interface HeaderLimits {
  /** Octets of the whole block; what goes beyond is not read as header ("header-too-large"). */
  readonly maxBytes: number;
}

export const DEFAULT_MAX_HEADER_BYTES: number = 1024 * 1024;

/** More fields than this become one nameless field: each costs memory, and a MiB can hold 350,000. */
const MAX_FIELDS = 5_000;

const FIELD_NAME = /^[!-9;-~]+$/;
const MIME_FIELD = /^(?:content-|mime-version)/i;

/**
 * Where the body starts: the octet after the first empty line (CRLF or LF), or -1 while there is none in these bytes,
 * which begin where the message begins. While chunks arrive, call it on what there is; with `from` it starts at an
 * offset that an earlier call has already covered, minus three.
 */
export function headerEnd(bytes: Buffer, from = 0): number {
  if (from <= 0) {
    if (bytes[0] === 0x0a) return 1;
    if (bytes[0] === 0x0d && bytes[1] === 0x0a) return 2;
  }
  for (let at = lineEndIn(bytes, Math.max(0, from)); at > 0; at = lineEndIn(bytes, at)) {
    if (bytes[at] === 0x0a) return at + 1;
    if (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) return at + 2;
  }
  return -1;
}

/** Lines shorter than this are measured octet by octet: for a MiB of tiny ones a search each takes many times as long. */
const SHORT_LINE = 24;

/** Index behind the next LF, or 0 when there is none. */
function lineEndIn(bytes: Buffer, from: number): number {
  const near = Math.min(bytes.length, from + SHORT_LINE);
  for (let at = from; at < near; at++) if (bytes[at] === 0x0a) return at + 1;
  return bytes.indexOf(0x0a, near) + 1;
}

/**
 * Reads the header at the start of `bytes`, which may go on after it. Without an empty line everything is header. Never
 * throws. A block over the limit is cut after its last whole line within it.
 */
export function parseHeader(
  bytes: Buffer,
  limits: HeaderLimits,
): { header: Header; defects: Defect[] } {
  const over = bytes.length > limits.maxBytes;
  const window = over ? bytes.subarray(0, limits.maxBytes) : bytes;
  const end = headerEnd(window);
  const defects: Defect[] = [];
  let size = end;
  if (end < 0) {
    size = window.length;
    if (over) {
      size = window.lastIndexOf(0x0a) + 1 || window.length;
      defects.push(defect("header-too-large", `more than ${limits.maxBytes} octets`));
    }
  }
  const block = bytes.subarray(0, size);
  const fields = readFields(block, defects);
  return { header: { fields, size }, defects };
}

function readFields(block: Buffer, defects: Defect[]): Field[] {
  const text = block.toString("latin1", 0, block.length);
  const fields: Field[] = [];
  const seen: Seen = { garbage: false, colon: -1, kinds: defects };
  if (text.includes("\0")) defects.push(defect("nul-in-header"));
  if (/\r(?!\n)/.test(text)) defects.push(defect("bare-cr-in-header"));
  let start = 0;
  while (start < text.length) {
    const first = text.charCodeAt(start);
    if (first === 0x0a || (first === 0x0d && text.charCodeAt(start + 1) === 0x0a)) break;
    let next = lineEnd(text, start);
    const firstLine = next;
    while (next < text.length && isBlank(text.charCodeAt(next))) next = lineEnd(text, next);
    if (fields.length === MAX_FIELDS) {
      defects.push(defect("too-many-fields", `more than ${MAX_FIELDS}`));
      next = endOfFields(text);
    }
    fields.push(
      fields.length === MAX_FIELDS
        ? { name: "", raw: block.subarray(start, next), value: "" }
        : readField(block, text, { start, firstLine, next }, seen),
    );
    start = next;
  }
  return fields;
}

/** A field whose value is made when somebody asks: most are never looked at, and a hostile one can have a MiB of folds. */
class LazyField implements Field {
  readonly name: string;
  readonly raw: Buffer;
  readonly #from: number;
  #value: string | null = null;

  /** `from`: where in `raw` the value starts. */
  constructor(name: string, raw: Buffer, from: number) {
    this.name = name;
    this.raw = raw;
    this.#from = from;
  }

  get value(): string {
    return (this.#value ??= valueOf(this.#from === 0 ? this.raw : this.raw.subarray(this.#from)));
  }
}

interface Span {
  readonly start: number;
  /** Where the field's first line ends. */
  readonly firstLine: number;
  readonly next: number;
}

interface Seen {
  /** True after a line at which some readers end the header. */
  garbage: boolean;
  /** The next colon from where reading is: looked up anew for each line, its absence would cost quadratic time. */
  colon: number;
  readonly kinds: Defect[];
}

function readField(block: Buffer, text: string, span: Span, seen: Seen): Field {
  const { start, firstLine, next } = span;
  const raw = block.subarray(start, next);
  if (seen.colon < start) {
    const found = text.indexOf(":", start);
    seen.colon = found < 0 ? text.length : found;
  }
  const { colon } = seen;
  let nameEnd = colon;
  if (colon >= firstLine) nameEnd = start;
  else while (nameEnd > start && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd--;
  const name = text.slice(start, nameEnd);
  if (!FIELD_NAME.test(name) && (name === "" || /[\x00-\x20]/.test(name))) {
    noteGarbage(text.slice(start, Math.min(next, start + 200)), start === 0, seen);
    return new LazyField("", raw, 0);
  }
  if (nameEnd < colon) {
    const mime = MIME_FIELD.test(name);
    note(seen.kinds, mime ? "space-before-colon-mime" : "space-before-colon", name);
  }
  if (!FIELD_NAME.test(name)) note(seen.kinds, "eight-bit-field-name", name);
  if (seen.garbage && MIME_FIELD.test(name)) note(seen.kinds, "mime-field-after-garbage", name);
  if (firstLine < next && hasWhiteLine(text, firstLine, next)) {
    note(seen.kinds, "white-line-in-header", name);
    seen.garbage = true;
  }
  return new LazyField(name, raw, colon + 1 - start);
}

function noteGarbage(line: string, first: boolean, seen: Seen): void {
  if (first && /^>?From /.test(line)) {
    note(seen.kinds, "mbox-line", "");
    return;
  }
  // "Content-Type" with its colon on the next line, or indented: no field, yet some readers take it for one.
  const mime = MIME_FIELD.test(line.trimStart());
  note(seen.kinds, mime ? "mime-field-in-garbage" : "not-a-field", line.trim());
  seen.garbage = true;
}

/** Adds a defect unless one of its kind is there: a header of a thousand garbage lines is one fault. */
function note(defects: Defect[], kind: Parameters<typeof defect>[0], detail: string): void {
  if (!defects.some((d) => d.kind === kind)) defects.push(defect(kind, detail));
}

function valueOf(octets: Buffer): string {
  const encoding = !isAscii(octets) && isUtf8(octets) ? "utf8" : "latin1";
  const lf = octets.indexOf(0x0a);
  const folded = lf >= 0 && lf < octets.length - 1;
  // Every LF inside a field has white space behind it, so all line ends go. A MiB of folds would keep the expression busy
  // for 40 ms.
  if (folded && octets.length >= 8_192) return unfolded(octets).toString(encoding).trim();
  const value = octets.toString(encoding, 0, octets.length);
  return (folded ? value.replace(/\r?\n/g, "") : value).trim();
}

function unfolded(octets: Buffer): Buffer {
  const out = Buffer.allocUnsafe(octets.length);
  let length = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i]!;
    if (octet !== 0x0a && !(octet === 0x0d && octets[i + 1] === 0x0a)) out[length++] = octet;
  }
  return out.subarray(0, length);
}

function lineEnd(text: string, from: number): number {
  const near = Math.min(text.length, from + SHORT_LINE);
  for (let at = from; at < near; at++) if (text.charCodeAt(at) === 0x0a) return at + 1;
  const lf = text.indexOf("\n", near);
  return lf < 0 ? text.length : lf + 1;
}

function endOfFields(text: string): number {
  if (text.endsWith("\n\r\n")) return text.length - 2;
  return text.endsWith("\n\n") ? text.length - 1 : text.length;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function hasWhiteLine(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at = lineEnd(text, at)) {
    let i = at;
    while (i < to && isBlank(text.charCodeAt(i))) i++;
    const code = text.charCodeAt(i);
    if (i >= to || code === 0x0a || (code === 0x0d && text.charCodeAt(i + 1) === 0x0a)) return true;
  }
  return false;
}

/** The first field of that name (ASCII case does not matter), or null. */
export function firstField(header: Header, name: string): Field | null {
  const wanted = name.toLowerCase();
  for (const field of header.fields) if (isNamed(field, wanted)) return field;
  return null;
}

/** All fields of that name in order (ASCII case does not matter). */
export function fieldsNamed(header: Header, name: string): Field[] {
  const wanted = name.toLowerCase();
  return header.fields.filter((field) => isNamed(field, wanted));
}

/** The value of the first field of that name, or null. */
export function fieldValue(header: Header, name: string): string | null {
  return firstField(header, name)?.value ?? null;
}

function isNamed(field: Field, lowerCase: string): boolean {
  return field.name.length === lowerCase.length && field.name.toLowerCase() === lowerCase;
}

/**
 * What the line at `line` (`stop` is where it ends) is to a reader who ends the header at the first line that is no field.
 * Looks at no more than 2,000 octets.
 */
export function lineInHeader(
  bytes: Buffer,
  line: number,
  stop: number,
  first: boolean,
): "field" | "empty" | "garbage" {
  const text = bytes.toString("latin1", line, Math.min(stop, line + 2_000));
  if (text.trim() === "") return "empty";
  if (first) return /^(?:>?From |[!-9;-~]*:)/.test(text) ? "field" : "garbage";
  return /^(?:[ \t]|[!-9;-~]*:)/.test(text) ? "field" : "garbage";
}
