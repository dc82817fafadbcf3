// The one line grammar of all rule files: verb, words, "texts", key=value, `if conditions`, `skip categories`, # comment.
// What a verb takes is a VerbSpec; errors are values with file, line and a suggestion. Called by the compilers of the
// single files (policy.ts, access.ts, banned.ts, scores.ts) and by cases.ts.
import { atOnce } from "../sys/turns.ts";
import type { RuleError } from "./errors.ts";
import { hint, nearest } from "./suggest.ts";
import { tokensOf } from "./tokens.ts";
import type { Token } from "./tokens.ts";

export const MAX_FILE_BYTES: number = 8 * 1024 * 1024;
export const MAX_LINE_CHARS: number = 16 * 1024;
/** A file with more errors than this is not read further. */
const MAX_FILE_ERRORS = 60;

/** Lines that are read or compiled before others may have their turn. */
export const STEP_LINES = 64;

/** What may follow a verb. Absent means none. */
export interface VerbSpec {
  /** How many words at least and at most. */
  readonly words: readonly [number, number];
  /** At most so many quoted texts. */
  readonly texts?: number;
  /** Names of options; one that ends in "." allows every name that begins so. */
  readonly options?: readonly string[];
  /** What may follow `if`. */
  readonly conditions?: readonly string[];
  /** What may follow `skip`. */
  readonly skips?: readonly string[];
  /** How such a line looks, shown in messages. */
  readonly usage: string;
}

export type Verbs = Readonly<Record<string, VerbSpec>>;

export interface Line {
  /** "rules/policy.rules". */
  readonly file: string;
  readonly line: number;
  /** "rules/policy.rules:12". */
  readonly at: string;
  readonly verb: string;
  readonly words: readonly string[];
  readonly texts: readonly string[];
  readonly options: ReadonlyMap<string, string>;
  readonly conditions: readonly string[];
  readonly skips: readonly string[];
  /** The line as it stands, trimmed. */
  readonly written: string;
}

export interface Parsed {
  readonly lines: readonly Line[];
  readonly errors: readonly RuleError[];
}

/** Reads a whole file. Lines with errors are left out of `lines`; never throws. */
export function parseRules(file: string, text: string, verbs: Verbs): Parsed {
  return atOnce(parsingRules(file, text, verbs));
}

/** The same in steps of some lines. */
export function* parsingRules(file: string, text: string, verbs: Verbs): Generator<void, Parsed> {
  const lines: Line[] = [];
  const errors: RuleError[] = [];
  if (text.length > MAX_FILE_BYTES)
    return { lines, errors: [{ file, line: 0, message: `larger than ${MAX_FILE_BYTES} bytes` }] };
  let line = 0;
  for (let at = text.startsWith("\ufeff") ? 1 : 0; at < text.length;) {
    let end = text.indexOf("\n", at);
    if (end < 0) end = text.length;
    if (++line % STEP_LINES === 0) yield;
    const written = text.slice(at, text[end - 1] === "\r" ? end - 1 : end);
    at = end + 1;
    const read = parseLine(file, line, written, verbs);
    if (read === null) continue;
    if (typeof read !== "string") lines.push(read);
    else if (errors.push({ file, line, message: read }) >= MAX_FILE_ERRORS) break;
  }
  return { lines, errors };
}

/** One line: null when it says nothing, a message when it is wrong. */
export function parseLine(
  file: string,
  line: number,
  written: string,
  verbs: Verbs,
): Line | string | null {
  if (written.length > MAX_LINE_CHARS)
    return `the line is longer than ${MAX_LINE_CHARS} characters`;
  const { tokens, error } = tokensOf(written);
  if (error !== null) return error;
  const [first, ...rest] = tokens;
  if (first === undefined) return null;
  const verb =
    first.kind === "word"
      ? first.text
      : first.kind === "option"
        ? first.written
        : `"${first.text}"`;
  const spec = first.kind === "word" && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (spec === undefined) return unknownVerb(verb, verbs);
  const args = readArguments(verb, spec, rest);
  if (typeof args === "string") return args;
  return { file, line, at: `${file}:${line}`, verb, ...args, written: written.trim() };
}

function unknownVerb(verb: string, verbs: Verbs): string {
  const known = Object.keys(verbs);
  const near = nearest(verb, known);
  const suggestion =
    near === null ? `a line here starts with ${known.join(" or ")}` : `did you mean "${near}"?`;
  return `unknown word "${verb.slice(0, 80)}"; ${suggestion}`;
}

type Arguments = Pick<Line, "words" | "texts" | "options" | "conditions" | "skips">;

function readArguments(verb: string, spec: VerbSpec, tokens: readonly Token[]): Arguments | string {
  const words: string[] = [];
  const texts: string[] = [];
  const options = new Map<string, string>();
  const lists: Record<"if" | "skip", string[]> = { if: [], skip: [] };
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.kind === "text") texts.push(token.text);
    else if (token.kind === "option" && !isPattern(token, spec)) {
      if (!knownOption(token.key, spec))
        return `unknown option "${token.key}"${hint(token.key, spec.options ?? [])}`;
      if (options.has(token.key)) return `${token.key}= stands twice`;
      options.set(token.key, token.text);
    } else if (
      token.kind === "word" &&
      (token.text === "if" || token.text === "skip") &&
      words.length >= spec.words[0]
    ) {
      const read = readList(tokens, i + 1);
      if (read.names.length === 0) return `nothing follows "${token.text}"`;
      const wrong = checkList(verb, token.text, read.names, spec);
      if (wrong !== null) return wrong;
      lists[token.text].push(...read.names);
      i = read.last;
    } else words.push(token.kind === "word" ? token.text : token.written);
  }
  const [min, max] = spec.words;
  if (words.length < min) return `"${verb}" needs more words: ${spec.usage}`;
  if (words.length > max) return `"${words[max]}" is one word too many: ${spec.usage}`;
  if (texts.length > (spec.texts ?? 0))
    return `"${verb}" takes ${spec.texts ?? "no"} quoted text${spec.texts === 1 ? "" : "s"}: ${spec.usage}`;
  return { words, texts, options, conditions: lists.if, skips: lists.skip };
}

/** A word with "=" is a pattern where the verb knows no such option and none that looks alike (prvs=…@example.org). */
function isPattern(token: Token & { kind: "option" }, spec: VerbSpec): boolean {
  if (knownOption(token.key, spec)) return false;
  return token.written.includes("@") || nearest(token.key, spec.options ?? []) === null;
}

function knownOption(key: string, spec: VerbSpec): boolean {
  return (spec.options ?? []).some((name) =>
    name.endsWith(".") ? key.startsWith(name) : key === name,
  );
}

/** Names with commas between them; a blank after the comma is forgiven. */
function readList(tokens: readonly Token[], from: number): { names: string[]; last: number } {
  const names: string[] = [];
  let at = from;
  for (; at < tokens.length; at++) {
    const token = tokens[at] as Token;
    if (token.kind !== "word") break;
    names.push(...token.text.split(",").filter((name) => name !== ""));
    if (!token.text.endsWith(",")) return { names, last: at };
  }
  return { names, last: at - 1 };
}

function checkList(
  verb: string,
  word: "if" | "skip",
  names: readonly string[],
  spec: VerbSpec,
): string | null {
  const known = (word === "if" ? spec.conditions : spec.skips) ?? [];
  if (known.length === 0) return `"${verb}" takes no "${word}" here`;
  const wrong = names.find((name) => !known.includes(name));
  return wrong === undefined ? null : `"${wrong}" cannot follow "${word}"${hint(wrong, known)}`;
}
