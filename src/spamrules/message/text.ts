// The arrays that body and rawbody rules run over, from the parts that hold text.
import { splitLines, utf8 } from "./octets.ts";
import type { Part } from "./part.ts";
import { countCharacters, offsetOfCharacter } from "./utf8.ts";

const LONGEST_LINE = 2048;
/** Where a text may be cut beyond its limit: within so many characters. */
const SLACK = 1024;

/** Runs of white space that are no lone blank, and NUL. Narrow: Perl's \s of octets. */
const NARROW_SPACE = /[\t-\r][\t-\r ]*| [\t-\r ]+|\0/g;
/** Wide: Perl's \s of Unicode, in UTF-8. */
const WIDE_SPACE = wideSpace();

function wideSpace(): RegExp {
  const others =
    "\\xc2[\\x85\\xa0]|\\xe1\\x9a\\x80|\\xe2\\x80[\\x80-\\x8a\\xa8\\xa9\\xaf]|\\xe2\\x81\\x9f|\\xe3\\x80\\x80";
  return new RegExp(
    `(?:[\\t-\\r]|${others}| (?=[\\t-\\r ]|${others}))(?:[\\t-\\r ]|${others})*|\\0`,
    "g",
  );
}

/**
 * One line for each paragraph, white space within made one blank, long lines cut at blanks. The subject comes first, as the start of
 * the first line when it has no "\n"; null: none. Parts are those that hold text, in order.
 */
export function bodyLines(
  parts: readonly Part[],
  which: "text" | "visible" | "invisible",
  subject: string | null,
  limit: number,
): string[] {
  const pieces: string[] = [];
  const widths: string[] = [];
  let wide = false;
  let begun = false;
  for (const part of parts) {
    if (begun) {
      pieces.push("\n");
      widths.push("ascii");
    }
    const text = part.rendered?.[which];
    if (text === undefined) continue;
    const width = part.widthOf(which);
    if (width === "wide") wide = true;
    pieces.push(cutText(text, limit, width === "wide"));
    widths.push(width);
    begun ||= text !== "";
  }
  const joined = pieces
    .map((piece, at) => (wide && widths[at] === "narrow" ? utf8(piece) : piece))
    .join("");
  return shortLines((subject ?? "") + paragraphs(joined, wide));
}

/** A limit of 0 is none. Characters count, not octets. */
function cutText(text: string, limit: number, wide: boolean): string {
  if (limit === 0 || text.length <= limit || (wide && countCharacters(text) <= limit)) return text;
  const start = wide ? offsetOfCharacter(text, limit) : limit;
  const most = wide
    ? start + offsetOfCharacter(text.slice(start, start + 4 * SLACK + 4), SLACK)
    : start + SLACK;
  for (const end of ["\n", " "]) {
    const at = text.indexOf(end, start);
    if (at >= 0 && at <= most) return text.slice(0, at + 1);
  }
  return text.slice(0, start);
}

/** Perl: s/\n+\s*\n+/\0/g, then s/\s+/ /g, then every \0 becomes "\n". */
function paragraphs(text: string, wide: boolean): string {
  return text.replace(wide ? WIDE_SPACE : NARROW_SPACE, (run) => {
    if (run.length === 1) return run === "\0" ? "\n" : " ";
    const first = run.indexOf("\n");
    const last = run.lastIndexOf("\n");
    if (first === last) return " ";
    return `${first > 0 ? " " : ""}\n${last < run.length - 1 ? " " : ""}`;
  });
}

function shortLines(text: string): string[] {
  const result: string[] = [];
  for (const line of splitLines(text)) {
    let rest = line;
    while (rest.length > LONGEST_LINE) {
      const end = rest.lastIndexOf(" ", LONGEST_LINE) + 1 || LONGEST_LINE;
      result.push(rest.slice(0, end));
      rest = rest.slice(end);
    }
    result.push(rest);
  }
  return result;
}

/** For rawbody rules: the decoded octets of every text and message that is a leaf, in pieces of 2 to 4 kB. */
export function rawLines(parts: readonly Part[], limit: number): string[] {
  const result: string[] = [];
  for (const part of parts) {
    if (!/^(?:text|message)\b/.test(part.effectiveType) || part.type === "text/calendar") continue;
    pushChunks(result, cutRaw(part.decoded, limit));
  }
  return result;
}

function cutRaw(text: string, limit: number): string {
  if (limit === 0 || text.length <= limit) return text;
  for (const end of ["\n", ">", " "]) {
    const at = text.indexOf(end, limit);
    if (at >= 0 && at - limit <= SLACK) return text.slice(0, at + 1);
  }
  return text.slice(0, limit);
}

function pushChunks(result: string[], text: string): void {
  if (text.length <= LONGEST_LINE) {
    result.push(text);
    return;
  }
  let from = 0;
  while (text.length - from > 2 * LONGEST_LINE) {
    const end = chunkEnd(text, from);
    result.push(text.slice(from, end));
    from = end;
  }
  if (from < text.length) result.push(text.slice(from));
}

function chunkEnd(text: string, from: number): number {
  for (const mark of ["\n", ">", " "]) {
    const at = text.slice(from + LONGEST_LINE, from + 2 * LONGEST_LINE).indexOf(mark);
    if (at >= 0) return from + LONGEST_LINE + at + 1;
  }
  return from + LONGEST_LINE + 1;
}
