// One tag, comment, declaration or marked section, from its "<" on, as HTML::Parser reads it. Each function gives where it ends; `from`
// when its end is not there; NOT_MARKUP when it is text after all. Called by tokens.ts.
import { asciiLower } from "./octets.ts";
import {
  isNameFirstAt,
  skipAttributeName,
  skipName,
  skipSpace,
  skipTo,
  skipToGreater,
  skipWord,
} from "./scan.ts";
import type { HtmlTokens } from "./tokens.ts";

export const NOT_MARKUP = -1;

/**
 * <NAME ATTRIBUTES>. Tokens: start and end of the name, then for each attribute start and end of its name and of its value with its
 * quotes; -1, -1 for an attribute without value.
 */
export function startTag(parser: HtmlTokens, all: string, from: number): number {
  const nameEnd = skipWord(all, from + 2);
  const tokens = [from + 1, nameEnd];
  let at = skipSpace(all, nameEnd);
  while (at < all.length && all[at] !== ">") {
    const attributeEnd = skipAttributeName(all, at + 1);
    tokens.push(at, attributeEnd);
    at = skipSpace(all, attributeEnd);
    if (at >= all.length) return from;
    if (all[at] !== "=") {
      tokens.push(-1, -1);
      continue;
    }
    at = skipSpace(all, at + 1);
    if (at >= all.length) return from;
    const quote = all[at] ?? "";
    let end = at;
    if (quote === '"' || quote === "'") end = skipTo(all, quote, at + 1) + 1;
    else if (quote !== ">") end = skipWord(all, at);
    if (end >= all.length) return from;
    tokens.push(at, end);
    at = skipSpace(all, end);
  }
  if (at >= all.length) return from;
  parser.start(all, tokens);
  return at + 1;
}

/** </NAME …>, or </…> without name, which is a comment. */
export function endTag(parser: HtmlTokens, all: string, from: number): number {
  const nameEnd = skipWord(all, from + 2);
  const end = skipToGreater(all, nameEnd);
  if (end >= all.length) return from;
  if (nameEnd > from + 2) parser.end(all.slice(from + 2, nameEnd));
  else parser.comment(all.slice(from, end + 1));
  return end + 1;
}

/** <?…>: nobody is told. */
export function instruction(parser: HtmlTokens, all: string, from: number): number {
  const end = all.indexOf(">", from + 2);
  if (end < 0) return from;
  parser.nothing();
  return end + 1;
}

/** <!…>: a comment, a marked section, a declaration, or what is taken for a comment. */
export function declaration(parser: HtmlTokens, all: string, from: number): number {
  let at = from + 2;
  if (all[at] === "-") {
    if (at + 1 >= all.length) return from;
    if (all[at + 1] === "-") return comment(parser, all, from);
    at += 1;
  } else if (all[at] === "[") {
    const end = markedSection(parser, all, from);
    if (end !== NOT_MARKUP) return end;
  } else if (/[A-Za-z]/.test(all[at] ?? "")) {
    const failed = words(all, at);
    if (failed < 0) return from;
    if (all[failed] === ">" && isDeclared(all, at)) {
      parser.declaration(all.slice(from, failed + 1));
      return failed + 1;
    }
    at = failed;
  }
  const end = all.indexOf(">", at);
  if (end < 0) return from;
  parser.comment(all.slice(from, end + 1));
  return end + 1;
}

const DECLARED = /^(?:doctype|entity)$/i;

function isDeclared(all: string, from: number): boolean {
  return DECLARED.test(all.slice(from, Math.min(skipName(all, from), from + 8)));
}

/** Goes over a declaration's words, strings and comments to its ">" or to what does not belong there; -1 at the end of the text. */
function words(all: string, from: number): number {
  let at = skipName(all, from + 1);
  if (at >= all.length) return -1;
  if (!isDeclared(all, from)) return at;
  for (;;) {
    at = skipSpace(all, at);
    const first = all[at];
    if (first === undefined) return -1;
    if (first === ">") return at;
    if (first === '"' || first === "'") {
      at = skipTo(all, first, at + 1) + 1;
      if (at > all.length) return -1;
    } else if (first === "-") {
      if (at + 1 >= all.length) return -1;
      if (all[at + 1] !== "-") return at + 1;
      at = all.indexOf("--", at + 2) + 2;
      if (at === 1) return -1;
    } else {
      at = skipWord(all, at + 1);
      if (at >= all.length) return -1;
    }
  }
}

/** <!-- … --, white space, >. */
function comment(parser: HtmlTokens, all: string, from: number): number {
  let end = -1;
  if (parser.commentsEndAtGreater) {
    end = all.indexOf(">", from + 4);
  } else {
    for (let at = all.indexOf("--", from + 4); at >= 0; at = all.indexOf("--", at + 1)) {
      end = skipSpace(all, at + 2);
      if (all[end] === ">") break;
      end = -1;
    }
  }
  if (end < 0) return from;
  parser.comment(all.slice(from, end + 1));
  return end + 1;
}

/** <![NAMES[ opens one; the text goes on after it. */
function markedSection(parser: HtmlTokens, all: string, from: number): number {
  const names: string[] = [];
  let at = from + 3;
  for (;;) {
    at = skipSpace(all, at);
    while (isNameFirstAt(all, at)) {
      const end = skipName(all, at + 1);
      names.push(asciiLower(all.slice(at, end)));
      at = skipSpace(all, end);
      if (at >= all.length) return from;
    }
    if (!all.startsWith("--", at)) break;
    at = all.indexOf("--", at + 2) + 2;
    if (at === 1) return from;
  }
  if (all[at] !== "[") return NOT_MARKUP;
  parser.openSection(names.length > 0 ? names : ["include"]);
  return at + 1;
}
