// Where addresses stand in a line of text, the way mail programs make links of them. Linear: every bound of a run is looked for once.
// Called by text.ts.

/** "scheme": a URI that starts with http, ftp or www; "mail": user@host or mailto:; "schemeless": a host with a known top-level name. */
export interface Sighting {
  readonly kind: "scheme" | "mail" | "schemeless";
  readonly text: string;
  /** The host alone, of a schemeless one. */
  readonly host: string | null;
}

const WORD = 1;
/** May stand before an address. */
const OPENER = 2;
/** Ends a URI. */
const END = 4;
/** Ends a mail address, too. */
const MAIL_END = 8;
/** May stand before a host without scheme. */
const BEFORE_HOST = 16;
const HOST_CHAR = 32;
const ALNUM = 64;

const SPACES = "\t\n\v\f\r ";
const KIND = new Uint8Array(256);
const mark = (chars: string, flag: number): void => {
  for (let at = 0; at < chars.length; at += 1) {
    const code = chars.charCodeAt(at);
    KIND[code] = (KIND[code] ?? 0) | flag;
  }
};
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
mark(`${LETTERS}0123456789_`, WORD);
mark(`${LETTERS}0123456789`, ALNUM);
mark(`${LETTERS}0123456789._-`, HOST_CHAR);
mark(`><"'\`,{[(|${SPACES}\x1b\xa0`, OPENER);
mark(`><"\`}]{[|${SPACES}\x1b\xa0`, END | MAIL_END);
mark(",('", MAIL_END);
for (let code = 0x80; code < 0x100; code += 1) mark(String.fromCharCode(code), MAIL_END);
mark(`!"#$&'()*+,/:;<=>?@[\\]^\`{|}~${SPACES}\x1b\xa0`, BEFORE_HOST);

const DOT = 0x2e;
const LONGEST_URI = 2048;
const LONGEST_MAIL_PART = 251;
const LONGEST_HOST = 253;

export function sightings(text: string, topLevel: ReadonlySet<string>): Sighting[] {
  const found: Sighting[] = [];
  if (!/[@.]|:\/\/|mailto:/i.test(text)) return found;
  const runs = new Runs(text);
  let before = 0;
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    const kind = KIND[code] ?? 0;
    const boundary = (kind & WORD) !== (before & WORD) || (before & OPENER) !== 0;
    const hit =
      boundary || isAfterShift(text, at)
        ? (knownScheme(text, at, code, runs) ??
          mail(text, at, code, runs) ??
          (at === 0 || before & BEFORE_HOST ? schemeless(text, at, kind, runs, topLevel) : null))
        : null;
    if (hit === null) {
      before = kind;
      at += 1;
      continue;
    }
    found.push(hit.sighting);
    at = hit.end;
    before = KIND[text.charCodeAt(at - 1)] ?? 0;
  }
  return found;
}

interface Hit {
  readonly sighting: Sighting;
  readonly end: number;
}

/** Ends of runs from a position on; each is remembered until passed. */
class Runs {
  private readonly text: string;
  private uri = -1;
  private mail = -1;
  private sign = -1;

  constructor(text: string) {
    this.text = text;
  }

  /** What ends a URI, or the end of the text. */
  uriEnd(at: number): number {
    if (this.uri < at) this.uri = this.next(END, at);
    return this.uri;
  }

  /** What ends a mail address. */
  mailEnd(at: number): number {
    if (this.mail < at) this.mail = this.next(MAIL_END, at);
    return this.mail;
  }

  /** The next "@"; Infinity without one. */
  nextSign(at: number): number {
    if (this.sign < at) {
      const sign = this.text.indexOf("@", at);
      this.sign = sign < 0 ? Infinity : sign;
    }
    return this.sign;
  }

  private next(marks: number, at: number): number {
    let end = at;
    while (end < this.text.length && !((KIND[this.text.charCodeAt(end)] ?? 0) & marks)) end += 1;
    return end;
  }
}

/** Behind the shift sequences of ISO 2022, "ESC ( x". */
function isAfterShift(text: string, at: number): boolean {
  return at >= 3 && text.charCodeAt(at - 3) === 0x1b && text.charCodeAt(at - 2) === 0x28;
}

const SCHEME = /(?:https?|ftp):\/\/|(?:www\d{0,2}|ftp)\./iy;

function knownScheme(text: string, at: number, code: number, runs: Runs): Hit | null {
  const letter = code | 0x20;
  if (letter !== 0x68 && letter !== 0x66 && letter !== 0x77) return null; // h, f, w
  SCHEME.lastIndex = at;
  if (!SCHEME.test(text)) return null;
  const from = SCHEME.lastIndex;
  const end = runs.uriEnd(from);
  if (end === from || end - from > LONGEST_URI) return null;
  return { sighting: { kind: "scheme", text: text.slice(at, end), host: null }, end };
}

function mail(text: string, at: number, code: number, runs: Runs): Hit | null {
  if ((code | 0x20) === 0x6d && /^mailto:/i.test(text.slice(at, at + 7))) {
    const end = runs.mailEnd(at + 7);
    if (end > at + 7 && end - at - 7 <= LONGEST_URI)
      return { sighting: { kind: "mail", text: text.slice(at, end), host: null }, end };
  }
  const sign = runs.nextSign(at);
  if (sign === at || sign - at > LONGEST_MAIL_PART || runs.mailEnd(at) < sign) return null;
  const end = runs.mailEnd(sign + 1);
  if (end === sign + 1 || end - sign - 1 > LONGEST_MAIL_PART) return null;
  return { sighting: { kind: "mail", text: text.slice(at, end), host: null }, end };
}

/** A host whose last label is a top-level name, then perhaps ".", ":port" and "/path", then an end. */
function schemeless(
  text: string,
  at: number,
  kind: number,
  runs: Runs,
  topLevel: ReadonlySet<string>,
): Hit | null {
  if (!(kind & ALNUM)) return null;
  let runEnd = at; // no other host starts within the run, so it is walked once
  while (runEnd < text.length && (KIND[text.charCodeAt(runEnd)] ?? 0) & HOST_CHAR) runEnd += 1;
  const hostEnd = text.charCodeAt(runEnd - 1) === DOT ? runEnd - 1 : runEnd;
  let dot = hostEnd - 1;
  while (dot > at && text.charCodeAt(dot) !== DOT) dot -= 1;
  if (dot === at || dot - at >= LONGEST_HOST) return null;
  if (!topLevel.has(text.slice(dot + 1, hostEnd).toLowerCase())) return null;
  const end = tailEnd(text, runEnd, runs);
  if (end === null) return null;
  return {
    sighting: { kind: "schemeless", text: text.slice(at, end), host: text.slice(at, hostEnd) },
    end,
  };
}

const PORT = /:\d{1,5}/y;

/** Where ":port/path" ends, which must be at an end of URIs; null where it is not. */
function tailEnd(text: string, from: number, runs: Runs): number | null {
  let end = from;
  PORT.lastIndex = end;
  if (PORT.test(text)) end = PORT.lastIndex;
  if (text.charAt(end) === "/") {
    const pathEnd = runs.uriEnd(end + 1);
    if (pathEnd === end + 1 || pathEnd - end - 1 > LONGEST_URI) return null;
    return pathEnd;
  }
  return end === text.length || (KIND[text.charCodeAt(end)] ?? 0) & END ? end : null;
}
