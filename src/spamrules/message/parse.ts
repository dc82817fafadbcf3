// Octets to header fields and body lines, with SpamAssassin's idea of where a header ends. For the message itself and for messages
// inside it; tree.ts goes on from here.
import { readContentType } from "./content-type.ts";
import { Fields } from "./fields.ts";
import { isBlank, splitLines, trimEnd } from "./octets.ts";

const MOST_KEY = 256;
const MOST_VALUE = 8192;
/** Blank lines in a row that are kept: one more than twenty, or all when there are fewer. */
const MOST_BLANK = 20;
const MBX =
  /^[\t-\r \d]\d-[a-zA-Z]{3}-\d{4}[\t-\r ]\d{2}:\d{2}:\d{2}[^\n]*,\d+;[\da-f]{12}-[A-Za-z0-9_]{8}\r?\n?$/;
const FIELD_START = /^[!-9;-~]+[ \t]*:/;

export interface Parsed {
  readonly fields: Fields;
  readonly pristineHeaders: string;
  readonly pristineBody: string;
  /** Of the body; CRLF made LF when the message has CRLF; many blank lines made fewer. */
  readonly lines: string[];
  /** Of the main type. */
  readonly type: string;
  readonly boundary: string | null;
  readonly truncated: boolean;
  /** The header ended without an empty line. */
  readonly noSeparator: boolean;
}

export function parseMessage(octets: string): Parsed {
  const all = splitLines(octets);
  if (all.length === 0) all.push("\n");
  let first = 0;
  const top = all[0] ?? "";
  if (/^From[\t-\r ]+(?!:)/.test(top) || MBX.test(top)) first = 1;
  const crlf =
    (all[first] ?? "").includes("\r\n") ||
    (all.length > first && (all.at(-1) ?? "").includes("\r\n"));
  const head = readHeader(all, first, crlf);
  const start = head.next;
  const pristineBody =
    head.pushedBack === null
      ? octets.slice(offsetOf(all, start))
      : head.pushedBack + octets.slice(offsetOf(all, start + 1));
  const lines = all.slice(start);
  if (head.pushedBack !== null) lines[0] = head.pushedBack;
  const body = squeeze(lines, crlf);
  const { type, boundary } = readContentType(head.fields.value("content-type"));
  const line = body[0] ?? "";
  // A multipart whose body starts with text instead of a boundary gets an empty line, or that text would be taken for a header.
  if (
    type.startsWith("multipart/") &&
    body.length > 1 &&
    !isBlank(line) &&
    (boundary === null || !line.startsWith(`--${boundary}`))
  )
    body.unshift("\n");
  return {
    fields: head.fields,
    pristineHeaders: head.pristine,
    pristineBody,
    lines: body,
    type,
    boundary,
    truncated: head.truncated,
    noSeparator: head.noSeparator,
  };
}

function offsetOf(lines: readonly string[], index: number): number {
  let offset = 0;
  for (let at = 0; at < index && at < lines.length; at += 1) offset += lines[at]?.length ?? 0;
  return offset;
}

interface Header {
  readonly fields: Fields;
  readonly pristine: string;
  readonly truncated: boolean;
  readonly noSeparator: boolean;
  /** Index of the first line of the body. */
  readonly next: number;
  /** That line, when it had been taken for a header line first: its line end has been mended. */
  readonly pushedBack: string | null;
}

/**
 * Ends at an empty line, at the end of the message, before a line that starts with "--", and before the fourth line that is no
 * field. A continuation belongs to whatever stood before, be it nothing.
 */
function readHeader(lines: readonly string[], from: number, crlf: boolean): Header {
  const lineEnd = crlf ? "\r\n" : "\n";
  const fields = new Fields();
  const pristine: string[] = [];
  let pending: string[] | null = null;
  let faults = 0;
  let truncated = false;
  const result = (next: number, noSeparator: boolean, pushedBack: string | null): Header => ({
    fields,
    pristine: pristine.join(""),
    truncated,
    noSeparator,
    next,
    pushedBack,
  });
  for (let at = from; ; at += 1) {
    const end = at >= lines.length;
    let line = end ? lineEnd : (lines[at] ?? "");
    if (crlf) line = line.replace(/(?<!\r)\n/g, "\r\n");
    const code = line.charCodeAt(0);
    if (code === 32 || code === 9) {
      (pending ??= []).push(line);
      pristine.push(line);
      continue;
    }
    if (pending !== null) truncated = keep(fields, pending.join(""), crlf) || truncated;
    if (line === lineEnd) {
      if (!end) pristine.push(line);
      return result(end ? at : at + 1, end, null);
    }
    if (line.startsWith("--")) return result(at, true, line);
    if (!FIELD_START.test(line) && ++faults > 3) return result(at, true, line);
    pending = [line];
    pristine.push(line);
  }
}

/** Adds a field, if there is a colon; true when it was too long. */
function keep(fields: Fields, text: string, crlf: boolean): boolean {
  const colon = text.indexOf(":");
  if (colon < 0) return false;
  let key = text.slice(0, colon);
  let value = text.slice(colon + 1);
  if (crlf) value = value.replaceAll("\r\n", "\n");
  let end = key.length;
  while (end > 0 && (key[end - 1] === " " || key[end - 1] === "\t")) end -= 1;
  key = key.slice(0, end);
  const tooLong = key.length > MOST_KEY || value.length > MOST_VALUE;
  if (key.length > MOST_KEY) key = key.slice(0, MOST_KEY);
  if (value.length > MOST_VALUE) value = value.slice(0, MOST_VALUE);
  fields.add(key, value);
  return tooLong;
}

/** LF at the ends, and runs of more than twenty blank lines made shorter: what was first in a run stays, and the last lines of it. */
function squeeze(lines: readonly string[], crlf: boolean): string[] {
  const kept: string[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = plainEnd(lines[at] ?? "", crlf);
    if (trimEnd(line) !== "") {
      kept.push(line);
      at += 1;
      continue;
    }
    const run: string[] = [];
    while (at < lines.length) {
      const blank = plainEnd(lines[at] ?? "", crlf);
      if (!isBlank(blank)) break;
      run.push(blank);
      at += 1;
    }
    pushSqueezed(kept, run);
  }
  return kept;
}

/**
 * The run that starts the body is reckoned one shorter, and when it is cut its first line stays; elsewhere the cut starts with the
 * run's second line.
 */
function pushSqueezed(kept: string[], run: readonly string[]): void {
  const atTop = kept.length === 0;
  const count = atTop ? run.length - 1 : run.length;
  const spared = atTop ? 2 : 1;
  const cut = count > MOST_BLANK ? Math.min(count - MOST_BLANK, run.length - spared) : 0;
  for (let at = 0; at < run.length; at += 1)
    if (cut === 0 || at < spared || at >= spared + cut) kept.push(run[at] ?? "");
}

function plainEnd(line: string, crlf: boolean): string {
  return crlf && line.endsWith("\r\n") ? `${line.slice(0, -2)}\n` : line;
}
