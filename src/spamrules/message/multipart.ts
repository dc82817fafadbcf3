// Cuts the lines of a multipart into parts, as SpamAssassin does it, with its notes on what was odd.
import type { ParseFlag } from "../subject.ts";
import { readContentType } from "./content-type.ts";
import { Fields } from "./fields.ts";
import { lower } from "./octets.ts";

const MOST_PARTS = 1000;
/** Longer lines of a body are cut by a line end. */
const LONGEST_LINE = 2048;
const FIELD = /^[!-9;-~]+[ \t]*:/;
/** What the note missing_mime_headers asks for: no white space before the colon. */
const STRICT_FIELD = /^[!-9;-~]+:/;

export interface Piece {
  readonly fields: Fields;
  readonly lines: string[];
}

type Mark = "none" | "part" | "end";

/** Whether a line is the boundary or the end boundary; white space may follow. */
function markOf(line: string, delimiter: string): Mark {
  if (!line.startsWith(delimiter)) return "none";
  const rest = line.slice(delimiter.length);
  if (/^[\t-\r ]*$/.test(rest)) return "part";
  return /^--[\t-\r ]*$/.test(rest) ? "end" : "none";
}

export function splitMultipart(
  lines: readonly string[],
  boundary: string,
  flags: Set<ParseFlag>,
  boundaries: Map<string, number>,
): Piece[] {
  const delimiter = `--${boundary}`;
  const first = lines.findIndex((line) => markOf(line, delimiter) === "part");
  if (first >= 0) {
    boundaries.set(boundary, 1);
    const next = lines[first + 1];
    if (next !== undefined && !STRICT_FIELD.test(next)) flags.add("missing_mime_headers");
  }
  const pieces: Piece[] = [];
  let piece = new Draft(boundary);
  // A part that names the same boundary as its parent: one level of it is believed (only when Content-Type is its last field).
  let nested = false;
  for (let at = first + 1; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    let mark = markOf(line, delimiter);
    if (mark !== "none" && nested) {
      if (mark === "end") nested = false;
      // As the very last line it is body, and counts as an end all the same.
      if (mark === "end" && at === lines.length - 1) close(boundaries, boundary);
      mark = "none";
    }
    if (mark !== "none" || at === lines.length - 1) {
      pieces.push(piece.finish(mark === "none" ? line : null));
      if (mark === "end") {
        close(boundaries, boundary);
        if (hasText(lines, at + 1)) flags.add("mime_epilogue_exists");
        break;
      }
      const next = lines[at + 1];
      if (next !== undefined && !STRICT_FIELD.test(next)) flags.add("missing_mime_headers");
      if (pieces.length === MOST_PARTS) break;
      piece = new Draft(boundary);
      continue;
    }
    const step = piece.take(line);
    if (step === "unseparated") flags.add("missing_mime_head_body_separator");
    if (step !== "taken" && piece.sameBoundary) nested = true;
  }
  return pieces;
}

function close(boundaries: Map<string, number>, boundary: string): void {
  boundaries.set(boundary, (boundaries.get(boundary) ?? 0) - 1);
}

function hasText(lines: readonly string[], from: number): boolean {
  for (let at = from; at < lines.length; at += 1)
    if (/[^\t-\r .]/.test(lines[at] ?? "")) return true;
  return false;
}

/** A part while its lines come in. */
class Draft {
  readonly #fields = new Fields();
  readonly #boundary: string;
  #pending: string[] | null = null;
  #lines: string[] | null = null;
  #inBody = false;
  /** Its header ended with a Content-Type that names the parent's boundary. */
  sameBoundary = false;

  constructor(boundary: string) {
    this.#boundary = boundary;
  }

  /** "separated": this line ended the header; "unseparated": it did, and is the body's first. */
  take(line: string): "taken" | "separated" | "unseparated" {
    if (this.#inBody) {
      this.#push(line);
      return "taken";
    }
    if (FIELD.test(line)) {
      this.#keep();
      this.#pending = [line];
      return "taken";
    }
    if (this.#pending !== null && (line.startsWith(" ") || line.startsWith("\t"))) {
      this.#pending.push(line);
      return "taken";
    }
    const last = this.#keep();
    if (last !== null && lower(last) === "content-type") {
      const type = readContentType(this.#fields.value("content-type"));
      this.sameBoundary = type.boundary === this.#boundary;
    }
    this.#inBody = true;
    if (line === "\n" || line === "\r\n" || line === "\r" || line === "") return "separated";
    this.#push(line);
    return "unseparated";
  }

  /** The last line of all belongs to the body, even in a header; a field that nothing has ended is lost. */
  finish(lastLine: string | null): Piece {
    if (lastLine !== null) {
      this.#push(lastLine);
      return { fields: this.#fields, lines: this.#lines ?? [] };
    }
    const lines = this.#lines ?? [];
    const last = lines.at(-1);
    // The line end before a boundary is the boundary's.
    if (last?.endsWith("\n") === true) lines[lines.length - 1] = last.slice(0, -1);
    if (lines.at(-1) === "") lines.pop();
    return { fields: this.#fields, lines };
  }

  #keep(): string | null {
    if (this.#pending === null) return null;
    const text = this.#pending.join("");
    this.#pending = null;
    const colon = text.indexOf(":");
    const name = text.slice(0, colon);
    this.#fields.add(name, text.slice(colon + 1).replace(/^[\t-\r ]+/, ""));
    return name;
  }

  #push(line: string): void {
    this.#lines ??= [];
    let rest = line;
    while (rest.length > LONGEST_LINE) {
      this.#lines.push(`${rest.slice(0, LONGEST_LINE)}\n`);
      rest = rest.slice(LONGEST_LINE);
    }
    this.#lines.push(rest);
  }
}
