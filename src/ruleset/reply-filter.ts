// Which replies of a DNS list count, in postscreen's syntax: 127.0.0.[2..11], 127.0.[0..255].0, 127.0.0.[2;4..7]. Compiled once
// per line of dnsxl.rules. Some replies never count, whatever a line says (RFC 5782 2.1, and what lists say to those they refuse).
import type { Compiled } from "./patterns.ts";

/** True when the IPv4 address, four decimal numbers, counts. */
export type ReplyFilter = (reply: string) => boolean;

const PART = /\[[0-9;.]*\]|[0-9]+/y;

/** Without a pattern: what RFC 5782 2.3 calls a listing, but not the reply that must never be one. */
export const ANY_LISTING: ReplyFilter = (reply) =>
  /^127\.0\.0\./.test(reply) && reply !== "127.0.0.1" && !isError(reply);

/**
 * True for a reply that says that the list cannot be used: outside 127/8 (a resolver that invents answers), 127.255.255.x
 * (we are refused: public resolver, too many questions) and 127.0.1.255 (a question of the wrong kind).
 */
export function isError(reply: string): boolean {
  return !reply.startsWith("127.") || reply.startsWith("127.255.255.") || reply === "127.0.1.255";
}

/** Compiles "d.d.d.d" where each d is a number or [1;2..4]. */
export function replyFilter(pattern: string): Compiled<ReplyFilter> {
  const parts: (readonly boolean[])[] = [];
  let at = 0;
  for (let i = 0; i < 4; i++) {
    PART.lastIndex = at;
    const text = PART.exec(pattern)?.[0];
    const numbers = text === undefined ? null : numbersOf(text);
    if (text === undefined || numbers === null)
      return { error: `"${pattern}" is no reply pattern like 127.0.0.[2;4..11]` };
    parts.push(numbers);
    at += text.length;
    if (i < 3 && pattern[at++] !== ".")
      return { error: `"${pattern}": a reply has four numbers with dots between them` };
  }
  if (at !== pattern.length) return { error: `"${pattern}": something follows the reply pattern` };
  if (parts[0]?.[127] !== true)
    return { error: `"${pattern}": no list answers outside 127.0.0.0/8` };
  return {
    ok: (reply) =>
      !isError(reply) && reply.split(".").every((number, i) => parts[i]?.[Number(number)] === true),
  };
}

/** For each number from 0 to 255 whether it is meant; null when the text says something else. */
function numbersOf(text: string): readonly boolean[] | null {
  const all = Array<boolean>(256).fill(false);
  const items = text.startsWith("[") ? text.slice(1, -1).split(";") : [text];
  for (const item of items) {
    const match = /^(\d{1,3})(?:\.\.(\d{1,3}))?$/.exec(item);
    const from = Number(match?.[1] ?? NaN);
    const to = Number(match?.[2] ?? from);
    if (!(from <= to && to <= 255)) return null;
    all.fill(true, from, to + 1);
  }
  return all;
}
