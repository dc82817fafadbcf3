// Reads the tables of cases out of SpamAssassin's own test files at run time: strings of Perl, '…', "…" without variables, and q{…}.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where SpamAssassin's t/ lies; undefined: not on this machine, and these suites have nothing to read. */
export const SA_TESTS = process.env["SA_TESTS"];

export const sourceOf = (name: string): string =>
  readFileSync(join(SA_TESTS ?? "", name), "latin1");

const CLOSED_BY: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]", "<": ">" };

/** The string that begins at `at`, and where it ends; null when none begins there. */
const stringAt = (text: string, at: number): { value: string; end: number } | null => {
  const opened = /^(?:q([^\w\s])|(['"]))/.exec(text.slice(at, at + 2));
  const open = opened?.[1] ?? opened?.[2];
  if (open === undefined) return null;
  const close = CLOSED_BY[open] ?? open;
  let value = "";
  let depth = 1;
  for (let i = at + (opened?.[0].length ?? 1); i < text.length; i++) {
    const char = text[i] ?? "";
    if (char === "\\" && i + 1 < text.length) {
      const next = text[++i] ?? "";
      value +=
        next === close || next === open || next === "\\" || open === '"' ? next : `\\${next}`;
    } else if (char === close && --depth === 0) return { value, end: i + 1 };
    else {
      if (char === open) depth++;
      value += char;
    }
  }
  return null;
};

/** The strings of a list that follows `start`, up to the bracket that closes it. */
export const stringsAfter = (text: string, start: string): string[] => {
  const from = text.indexOf(start);
  if (from < 0) throw new Error(`no "${start}" in the file`);
  const found: string[] = [];
  for (let at = from + start.length; at < text.length;) {
    const string = stringAt(text, at);
    if (string !== null) {
      found.push(string.value);
      at = string.end;
    } else if (text[at] === "#") at = text.indexOf("\n", at) + 1 || text.length;
    else if (text[at] === ")") break;
    else at++;
  }
  return found;
};

/** Two by two: what is given and what is wanted. */
export const pairsAfter = (text: string, start: string): [given: string, wanted: string][] => {
  const strings = stringsAfter(text, start);
  return Array.from({ length: strings.length >> 1 }, (_, pair) => [
    strings[2 * pair] ?? "",
    strings[2 * pair + 1] ?? "",
  ]);
};
