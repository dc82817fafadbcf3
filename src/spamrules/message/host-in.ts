// The :host modifier for fields that are no addresses: the first host name with a known top-level name in a text.
import { isFqdn } from "../uri/domain.ts";
import { idnToAscii } from "../uri/idn.ts";
import { isSpace, lower } from "./octets.ts";

const LONGEST = 251;

interface Top {
  readonly dot: number;
  readonly end: number;
}

/** What follows the last "@" goes first, since what stands before may look like a host. null: there is none. */
export function hostIn(text: string, topLevel: ReadonlySet<string>): string | null {
  const tops = topsOf(text, topLevel);
  if (tops.length === 0) return null;
  const behindAt = afterAt(text, tops);
  if (behindAt !== null && valid(behindAt)) return behindAt;
  let from = 0;
  for (let at = 0; at < tops.length;) {
    const dot = tops[at]?.dot ?? 0;
    const start = firstStart(text, from, dot);
    const end = start < 0 ? -1 : hostEnd(text, start, tops, at);
    if (end < 0) {
      at += 1;
      continue;
    }
    const host = text.slice(start, end);
    if (valid(host)) return host;
    from = end;
    while ((tops[at]?.dot ?? end) < end) at += 1;
  }
  return null;
}

function valid(host: string): boolean {
  return isFqdn(idnToAscii(host), true);
}

/** Dots before known top-level names behind which nothing of a name follows. */
function topsOf(text: string, topLevel: ReadonlySet<string>): Top[] {
  const tops: Top[] = [];
  for (const found of text.matchAll(/\.([A-Za-z0-9-]+)(?![A-Za-z0-9._-])/g))
    if (topLevel.has(lower(found[1] ?? "")))
      tops.push({ dot: found.index, end: found.index + found[0].length });
  return tops;
}

/** Where a name with this dot in it starts at the earliest; -1: nowhere. */
function firstStart(text: string, from: number, dot: number): number {
  let start = dot;
  const least = Math.max(from, dot - LONGEST);
  while (start > least && !isSpace(text.charCodeAt(start - 1))) start -= 1;
  while (start < dot && start > 0 && /[._-]/.test(text[start - 1] ?? "")) start += 1;
  return start < dot ? start : -1;
}

/** Where the longest name ends that starts here; -1 without one. */
function hostEnd(text: string, start: number, tops: readonly Top[], first: number): number {
  let end = -1;
  for (let at = first; at < tops.length; at += 1) {
    const top = tops[at];
    if (top === undefined || top.dot - start > LONGEST) break;
    if (/[\t-\r ]/.test(text.slice(start, top.end))) break;
    if (top.dot > start) end = top.end;
  }
  return end;
}

/** Behind the last "@" of the first line that has a host behind an "@". */
function afterAt(text: string, tops: readonly Top[]): string | null {
  let lineStart = 0;
  for (const line of text.split("\n")) {
    for (
      let at = line.lastIndexOf("@");
      at >= 0;
      at = at > 0 ? line.lastIndexOf("@", at - 1) : -1
    ) {
      const start = lineStart + at + 1;
      const first = firstBehind(tops, start);
      const end = hostEnd(text, start, tops, first);
      if (end >= 0) return text.slice(start, end);
    }
    lineStart += line.length + 1;
  }
  return null;
}

function firstBehind(tops: readonly Top[], start: number): number {
  let low = 0;
  let high = tops.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tops[middle]?.dot ?? 0) <= start) low = middle + 1;
    else high = middle;
  }
  return low;
}
