// The first address of a list of them: what one long backtracking pattern does in SpamAssassin, as steps that stay linear but for
// doubled <…>. Used by addresses.ts only.

export interface AddressMatch {
  /** Quotes and comments included. */
  readonly phrase: string | null;
  /** What stood in <…>, possibly "" or no address at all; null without <…>. */
  readonly angled: string | null;
  /** An address without <…>. */
  readonly bare: string | null;
  readonly comment: string | null;
  /** Behind the separator. */
  readonly end: number;
}

const QUOTED = /"(?:[^"\\]|\\[^\n])*"/y;
const RUN = /[^",;<]+/y;
const BARE =
  /(?:"(?:[^"\\]|\\[^\n])*"|[^@\t-\r <>()[\],:;]+)@(?:[^"\t-\r <>()[\],:;]+|\[[\d:.]+\])/y;
const SPACES = /[\t-\r ]*/y;
const COMMENT = /[\t-\r ]*\(((?:[^()\\]|\\[^\n])*)\)/y;
const SEPARATOR = /[\t-\r ]*(?:[,;]|(?![^]))/y;
const NOT_SPACE = /[^\t-\r ]*/y;
const NO_ANGLE_OR_AT = /[^>@]*/y;

/** Ways to read further <…> that are tried. */
const MOST_TRIES = 30;

interface Tail {
  readonly comment: string | null;
  readonly end: number;
}

/** null when the text does not start with an address, a name, or what could be one. */
export function matchAddress(text: string): AddressMatch | null {
  const start = behind(SPACES, text, 0);
  const stops = phraseStops(text, start);
  const end = stops.at(-1) ?? start;
  if (text[end] === "<") {
    const phrase = end > start ? text.slice(start, end) : null;
    const found = matchAngled(text, end);
    if (found !== null) return { phrase, bare: null, ...found };
  }
  const bareEnd = behind(BARE, text, start);
  if (bareEnd > start) {
    const tail = matchTail(text, bareEnd);
    if (tail !== null)
      return { phrase: null, angled: null, bare: text.slice(start, bareEnd), ...tail };
  }
  for (let at = stops.length - 1; at >= 0; at -= 1) {
    const stop = stops[at] ?? start;
    const tail = matchTail(text, stop);
    if (tail !== null)
      return { phrase: text.slice(start, stop), angled: null, bare: null, ...tail };
  }
  // White space before a separator is a name.
  if (start > 0 && (text[start] === "," || text[start] === ";"))
    return {
      phrase: text.slice(start - 1, start),
      angled: null,
      bare: null,
      comment: null,
      end: start + 1,
    };
  return null;
}

function behind(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** Where each quoted string and each run of other text ends, of those that could be a name. */
function phraseStops(text: string, start: number): number[] {
  const stops: number[] = [];
  for (let at = start; ;) {
    const next = behind(text[at] === '"' ? QUOTED : RUN, text, at);
    if (next === at) return stops;
    stops.push(next);
    at = next;
  }
}

function matchTail(text: string, at: number): Tail | null {
  COMMENT.lastIndex = at;
  const comment = COMMENT.exec(text);
  if (comment !== null) {
    const end = behind(SEPARATOR, text, COMMENT.lastIndex);
    if (end > COMMENT.lastIndex || end === text.length) return { comment: comment[1] ?? "", end };
  }
  SEPARATOR.lastIndex = at;
  return SEPARATOR.test(text) ? { comment: null, end: SEPARATOR.lastIndex } : null;
}

function matchAngled(text: string, open: number): (Tail & { readonly angled: string }) | null {
  const start = behind(SPACES, text, open + 1);
  const failed = new Set<number>();
  for (const [contentEnd, close] of contentEnds(text, start)) {
    const tail = matchMore(text, close + 1, failed);
    if (tail !== null) return { angled: text.slice(start, contentEnd), ...tail };
  }
  return null;
}

/** Ends of the content of <…> and places of its ">", best first. White space may stand before the first "@" or ">" only. */
function contentEnds(text: string, start: number): (readonly [number, number])[] {
  const ends: (readonly [number, number])[] = [];
  const mark = behind(NO_ANGLE_OR_AT, text, start);
  if (mark < text.length) pushEnds(ends, text, mark + 1, mark + 1);
  let last = mark;
  while (last > start && /[\t-\r ]/.test(text[last - 1] ?? "")) last -= 1;
  if (text[mark] === ">") ends.push(last > start ? [last, mark] : [start, mark]);
  return ends;
}

/** All ways to end a text without white space that starts at `from` and is at least up to `least`, longest first. */
function pushEnds(
  ends: (readonly [number, number])[],
  text: string,
  from: number,
  least: number,
): void {
  const runEnd = behind(NOT_SPACE, text, from);
  const close = behind(SPACES, text, runEnd);
  if (text[close] === ">" && runEnd >= least) ends.push([runEnd, close]);
  for (let at = runEnd - 1; at >= least; at -= 1) if (text[at] === ">") ends.push([at, at]);
}

/** Further <…>, which some programs write, then the tail. A place that failed once fails again. */
function matchMore(text: string, at: number, failed: Set<number>): Tail | null {
  if (failed.has(at)) return null;
  failed.add(at);
  const open = behind(SPACES, text, at);
  if (text[open] === "<" && failed.size < MOST_TRIES) {
    const start = behind(SPACES, text, open + 1);
    const ends: (readonly [number, number])[] = [];
    const quoted = behind(QUOTED, text, start);
    if (quoted > start) pushEnds(ends, text, quoted, quoted + 1);
    pushEnds(ends, text, start, start + 1);
    if (text[start] === ">") ends.push([start, start]);
    for (const [, close] of ends) {
      const tail = matchMore(text, close + 1, failed);
      if (tail !== null) return tail;
    }
  }
  return matchTail(text, at);
}
