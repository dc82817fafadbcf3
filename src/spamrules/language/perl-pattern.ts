// Patterns as rule lines write them: `/…/i`, `m{…}`, `qr!…!`. Delimiters and flags come off here; what the pattern says, pattern/ reads.
import type { PerlPattern } from "../rulebook.ts";

const CLOSING: Readonly<Record<string, string>> = { "{": "}", "(": ")", "<": ">", "[": "]" };
/** Flags that have a meaning within a pattern, and those that have none and do no harm. */
const MEANT = /^[imsxanuldp]*$/;
const HARMLESS = /[dp]/g;
const TEMPLATE = /(?<!\\)%\{[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\([^)}]*\))?\}/;

/** The pattern without its delimiters, or why SpamAssassin would refuse it. */
export function perlPattern(text: string): PerlPattern | string {
  const opened = /^\/|^(?:m|qr)(\W)/.exec(text);
  if (opened === null) return "pattern without delimiters";
  const opening = opened[1] ?? "/";
  if (opening === "\\") return "a pattern cannot be delimited by backslashes";
  const closing = CLOSING[opening] ?? opening;
  let end = text.length;
  while (end > 0 && isFlag(text.charCodeAt(end - 1))) end--;
  if (text[end - 1] !== closing || end - 1 < opened[0].length)
    return `pattern does not end in "${closing}"`;
  const source = text.slice(opened[0].length, end - 1);
  const flags = text.slice(end);
  if (!MEANT.test(flags)) return `unknown flags "${flags}"`;
  if (/\(\?\??\{/.test(source)) return "pattern holds Perl code";
  if (!"})]".includes(closing) && hasBare(source, closing))
    return `"${closing}" stands in the pattern without a backslash`;
  return { source, flags: flags.replace(HARMLESS, "") };
}

/** Why a pattern would match anything, where that is so plain that SpamAssassin sees it (ignore_always_matching_regexps). */
export function matchesAnything({ source }: PerlPattern): string | null {
  if (source === "") return "pattern is empty";
  if (/(?<!\\)\|\|/.test(source)) return 'pattern holds "||"';
  return /^\||\|(?<!\\\|)\n?$/.test(source) ? 'pattern begins or ends with "|"' : null;
}

/** Whether a pattern waits for what another rule captured: %{NAME}. */
export function hasTemplate(pattern: PerlPattern): boolean {
  return TEMPLATE.test(pattern.source);
}

/** Whether a pattern captures for others: (?<NAME>…) with a capital letter first. Such rules run before all others. */
export function captures(pattern: PerlPattern): boolean {
  return /\(\?P?[<'][A-Z]/.test(pattern.source);
}

/** Any small letter but "e", which would run code in Perl. */
function isFlag(code: number): boolean {
  return code >= 97 && code <= 122 && code !== 101;
}

function hasBare(source: string, closing: string): boolean {
  for (let i = 0; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === closing) return true;
  }
  return false;
}
