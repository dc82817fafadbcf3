// One line of a rule file cut into tokens: words, /regular expressions/, "quoted text", key=value, # comment. Called by
// grammar.ts. Linear in the length of the line; what cannot be cut is a message, never an exception.

export type Token =
  /** A bare word or a regular expression with its slashes and flags. */
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  /** key=value; `written` is the whole as it stands, for patterns that happen to hold a "=". */
  | {
      readonly kind: "option";
      readonly key: string;
      readonly text: string;
      readonly written: string;
    };

export interface Tokens {
  readonly tokens: readonly Token[];
  /** Why the line could not be cut, or null. */
  readonly error: string | null;
}

const KEY = /^[a-z][a-z0-9._-]{0,63}$/;

/** Cuts one line (without its line end). A comment starts at a # after white space or at the start. */
export function tokensOf(line: string): Tokens {
  const tokens: Token[] = [];
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(line))
    return { tokens, error: "control character in the line" };
  let at = 0;
  for (;;) {
    while (isBlank(line[at])) at++;
    const c = line[at];
    if (c === undefined || c === "#") return { tokens, error: null };
    const read =
      c === '"' ? readText(line, at) : c === "/" ? readRegex(line, at) : readWord(line, at);
    if ("error" in read) return { tokens, error: read.error };
    tokens.push(read.token);
    at = read.end;
    if (line[at] !== undefined && !isBlank(line[at]))
      return {
        tokens,
        error: `white space is missing before ${JSON.stringify(line.slice(at, at + 20))}`,
      };
  }
}

type Read = { readonly token: Token; readonly end: number } | { readonly error: string };

function isBlank(c: string | undefined): boolean {
  return c === " " || c === "\t";
}

/** Inside quotes \" and \\ stand for themselves; any other backslash is an ordinary character. */
function readText(line: string, start: number): Read {
  let text = "";
  let from = start + 1;
  for (let at = from; at < line.length; at++) {
    const c = line[at];
    if (c === '"') {
      text += line.slice(from, at);
      return { token: { kind: "text", text }, end: at + 1 };
    }
    if (c === "\\" && (line[at + 1] === '"' || line[at + 1] === "\\")) {
      text += line.slice(from, at);
      at++;
      from = at;
    }
  }
  return { error: "the quoted text has no closing quote" };
}

function readRegex(line: string, start: number): Read {
  for (let at = start + 1; at < line.length; at++) {
    const c = line[at];
    if (c === "\\") at++;
    else if (c === "/") {
      let end = at + 1;
      while (/[a-z]/.test(line[end] ?? "")) end++;
      return { token: { kind: "word", text: line.slice(start, end) }, end };
    }
  }
  return { error: "the regular expression has no closing /" };
}

function readWord(line: string, start: number): Read {
  let end = start;
  while (end < line.length && !isBlank(line[end])) {
    if (line[end] === '"') {
      const key = line.slice(start, end - 1);
      if (line[end - 1] !== "=" || !KEY.test(key))
        return { error: `a quote inside a word: ${line.slice(start, start + 20)}` };
      const read = readText(line, end);
      if ("error" in read) return read;
      const written = line.slice(start, read.end);
      return { token: { kind: "option", key, text: read.token.text, written }, end: read.end };
    }
    end++;
  }
  const text = line.slice(start, end);
  const equals = text.indexOf("=");
  const key = text.slice(0, Math.max(equals, 0));
  if (equals > 0 && KEY.test(key))
    return { token: { kind: "option", key, text: text.slice(equals + 1), written: text }, end };
  return { token: { kind: "word", text }, end };
}
