// What Postfix' two table formats have in common, aliases(5) and virtual(5): logical lines, quoted text, lists of addresses,
// and the targets that postern does not take because it runs no commands and writes no files for others.
import { parseAddress } from "../mail/address.ts";
import type { RuleError } from "../ruleset/errors.ts";

/** A logical line: continuation lines joined, comments and empty lines gone. */
export interface LogicalLine {
  /** Where it starts, counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** What a table says: lower-case key → targets as text, unquoted. */
export type Entries = ReadonlyMap<string, readonly Target[]>;

/** An address as the operator wrote it, without angle brackets. */
export interface Target {
  readonly address: string;
  /** `\name`: straight to the mailbox, no further aliases. */
  readonly direct: boolean;
}

export interface Table {
  readonly entries: Entries;
  readonly problems: readonly RuleError[];
}

/** More targets than this in one entry are refused at load. */
export const MAX_TARGETS = 1000;

/** Splits text into logical lines: one that starts with white space continues the line before. */
export function logicalLines(text: string): { lines: readonly LogicalLine[]; orphan: number } {
  const lines: { line: number; pieces: string[] }[] = [];
  let orphan = 0;
  const physical = text.split("\n");
  for (const [at, raw] of physical.entries()) {
    const piece = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (/^\s*(#|$)/.test(piece)) continue;
    if (!/^\s/.test(piece)) lines.push({ line: at + 1, pieces: [piece.trim()] });
    else if (lines.length > 0) lines.at(-1)?.pieces.push(piece.trim());
    else orphan = at + 1;
  }
  return { lines: lines.map(({ line, pieces }) => ({ line, text: pieces.join(" ") })), orphan };
}

/**
 * Reads a list of targets, separated by commas or blanks: addresses, "quoted local parts"@domain, Name <address>. Returns
 * the targets, or what is wrong with the list.
 */
export function parseTargets(text: string): readonly Target[] | string {
  const words = wordsOf(text);
  if (typeof words === "string") return words;
  const targets: Target[] = [];
  for (const { raw, text: word } of words) {
    const problem = refusal(raw, word);
    if (problem !== null) return problem;
    const direct = raw.startsWith("\\");
    targets.push({ address: direct ? raw.slice(1) : raw, direct });
  }
  if (targets.length === 0) return "no address behind the name";
  if (targets.length > MAX_TARGETS) return `more than ${MAX_TARGETS} addresses`;
  return targets;
}

interface Word {
  /** As written, quotes kept. */
  readonly raw: string;
  /** With quotes removed. */
  readonly text: string;
}

function wordsOf(list: string): readonly Word[] | string {
  const words: Word[] = [];
  for (const item of splitOutsideQuotes(list, ",")) {
    if (item === null) return 'a quote is not closed: " is missing';
    const bracketed = inBrackets(item);
    const parts = bracketed === null ? splitOutsideQuotes(item, " ") : [bracketed];
    for (const part of parts) {
      const raw = part?.trim() ?? "";
      if (raw !== "") words.push({ raw, text: unquoted(raw) });
    }
  }
  return words;
}

/** "Name <address>" → address; null without brackets. */
function inBrackets(item: string): string | null {
  const text = item.trimEnd();
  const start = text.endsWith(">") ? text.lastIndexOf("<") : -1;
  return start < 0 ? null : text.slice(start + 1, -1);
}

/** Null at the end when a quote is not closed. */
function splitOutsideQuotes(text: string, separator: "," | " "): (string | null)[] {
  const pieces: (string | null)[] = [];
  let quoted = false;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\" && quoted) at++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && (char === separator || (separator === " " && /\s/.test(char)))) {
      pieces.push(text.slice(start, at));
      start = at + 1;
    }
  }
  pieces.push(text.slice(start));
  if (quoted) pieces.push(null);
  return pieces;
}

/** Removes quotes and the backslashes in them. */
export function unquoted(text: string): string {
  if (!text.includes('"')) return text;
  let plain = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') quoted = !quoted;
    else plain += char === "\\" && quoted ? text.charAt(++at) : char;
  }
  return plain;
}

/** The key of a line: what stands before the first ":" or blank outside quotes; null when there is neither. */
export function splitKey(
  text: string,
  isEnd: (char: string) => boolean,
): { key: string; rest: string } | null {
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\" && quoted) at++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && isEnd(char)) return { key: text.slice(0, at), rest: text.slice(at + 1) };
  }
  return null;
}

function refusal(raw: string, word: string): string | null {
  if (word.startsWith("|")) return "commands are not run: |… cannot be a target";
  if (word.startsWith("/")) return "mail is not written to files: /… cannot be a target";
  if (/^:include:/i.test(word))
    return "lists in other files are not read: :include: cannot be a target";
  if (word.startsWith(":")) return `${word.slice(0, 40)} is not understood`;
  if (/[\x00-\x1f\x7f]/.test(word)) return "a control character in an address";
  const address = raw.startsWith("\\") ? raw.slice(1) : raw;
  if (parseAddress(address.startsWith("@") ? `x${address}` : address) === null) {
    return `${raw.slice(0, 80)} is no address`;
  }
  if (Buffer.byteLength(raw) > 1000) return "an address of more than 1000 octets";
  return null;
}

/** Collects entries; keys are compared in lower case and composed form, and come once. */
export function tableBuilder(file: string): {
  problem(line: number, message: string): void;
  add(line: number, key: string, targets: readonly Target[]): void;
  done(): Table;
} {
  const entries = new Map<string, readonly Target[]>();
  const lines = new Map<string, number>();
  const problems: RuleError[] = [];
  const problem = (line: number, message: string): void => {
    problems.push({ file, line, message });
  };
  const add = (line: number, key: string, targets: readonly Target[]): void => {
    const folded = foldedKey(key);
    const first = lines.get(folded);
    if (first !== undefined) return problem(line, `${key} stands in line ${first} already`);
    lines.set(folded, line);
    entries.set(folded, targets);
  };
  return { problem, add, done: () => ({ entries, problems }) };
}

/** The form in which names are looked up. */
export function foldedKey(text: string): string {
  return text.normalize("NFC").toLowerCase();
}
