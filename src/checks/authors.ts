// The addresses in From: fields (RFC 5322 3.6.2), read leniently and in linear time: whatever a reader could take for an
// author's address is one. Used by access.ts, for which a missed address is a way around a deny line.
import { parseAddress } from "../mail/address.ts";
import type { Address } from "../mail/address.ts";
import type { Header } from "../mail/header.ts";

const MAX_FIELDS = 8;
const MAX_CHARS = 8192;
const MAX_ADDRESSES = 64;

/** All addresses of all From: fields, at most 64; empty when there is none. */
export function authorsOf(header: Header): readonly Address[] {
  const found: Address[] = [];
  let fields = 0;
  for (const field of header.fields) {
    if (field.name.length !== 4 || field.name.toLowerCase() !== "from") continue;
    if (++fields > MAX_FIELDS) break;
    for (const text of addressTexts(field.value.slice(0, MAX_CHARS))) {
      if (found.length >= MAX_ADDRESSES) return found;
      const address = parseAddress(text);
      if (address !== null && address.domain !== "") found.push(address);
    }
  }
  return found;
}

/** What stands in angle brackets, or else between commas; comments and blanks are dropped, quotes kept. */
function addressTexts(value: string): readonly string[] {
  const found: string[] = [];
  let bare = "";
  let angle: string | null = null;
  let closed = false;
  const finish = (): void => {
    if (!closed && bare.includes("@")) found.push(bare);
    bare = "";
    closed = false;
  };
  for (let at = 0; at < value.length; at++) {
    const c = value[at] ?? "";
    if (c === " " || c === "\t" || c === "\r" || c === "\n") continue;
    if (c === '"') {
      const end = closingQuote(value, at);
      const quoted = value.slice(at, end + 1);
      if (angle === null) bare += quoted;
      else angle += quoted;
      at = end;
    } else if (c === "(" && angle === null) at = closingParenthesis(value, at);
    else if (c === "<" && angle === null) angle = "";
    else if (c === ">" && angle !== null) {
      found.push(angle);
      angle = null;
      closed = true;
    } else if (angle !== null) angle += c;
    else if (c === "," || c === ";") finish();
    else if (c === ":") bare = "";
    else bare += c;
  }
  if (angle !== null) found.push(angle);
  finish();
  return found;
}

/** Position of the quote that ends the string, the end of the value when none does. */
function closingQuote(value: string, start: number): number {
  for (let at = start + 1; at < value.length; at++) {
    if (value[at] === "\\") at++;
    else if (value[at] === '"') return at;
  }
  return value.length;
}

function closingParenthesis(value: string, start: number): number {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    if (value[at] === "\\") at++;
    else if (value[at] === "(") depth++;
    else if (value[at] === ")" && --depth === 0) return at;
  }
  return value.length;
}
