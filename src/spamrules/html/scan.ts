// The classes of octets and the little searches that HTML::Parser's tokeniser is made of. Used by tokens.ts and markup.ts.

const SPACE = 1;
const NAME_FIRST = 2;
const NAME = 4;
const KIND = new Uint8Array(256);
for (const code of [9, 10, 11, 12, 13, 32]) KIND[code] = SPACE;
for (let code = 0; code < 128; code += 1) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z_:]/.test(character)) KIND[code] = NAME_FIRST | NAME;
  else if (/[0-9.-]/.test(character)) KIND[code] = NAME;
}

const GREATER = 62;
const QUOTE = 34;
const APOSTROPHE = 39;

export function isSpaceAt(octets: string, at: number): boolean {
  return at < octets.length && KIND[octets.charCodeAt(at)] === SPACE;
}

export function isNameFirstAt(octets: string, at: number): boolean {
  return at < octets.length && ((KIND[octets.charCodeAt(at)] ?? 0) & NAME_FIRST) !== 0;
}

export function skipSpace(octets: string, from: number): number {
  let at = from;
  while (at < octets.length && KIND[octets.charCodeAt(at)] === SPACE) at += 1;
  return at;
}

export function skipName(octets: string, from: number): number {
  let at = from;
  while (at < octets.length && ((KIND[octets.charCodeAt(at)] ?? 0) & NAME) !== 0) at += 1;
  return at;
}

/** To the next white space or ">". */
export function skipWord(octets: string, from: number): number {
  let at = from;
  while (at < octets.length) {
    const code = octets.charCodeAt(at);
    if (code === GREATER || KIND[code] === SPACE) break;
    at += 1;
  }
  return at;
}

/** To the next white space, ">" or "=". */
export function skipAttributeName(octets: string, from: number): number {
  let at = from;
  while (at < octets.length) {
    const code = octets.charCodeAt(at);
    if (code === GREATER || code === 61 || KIND[code] === SPACE) break;
    at += 1;
  }
  return at;
}

/** The next ">" that no quotes hold; quotes open only after a blank or "=". The end without one. */
export function skipToGreater(octets: string, from: number): number {
  let quote = 0;
  let before = 32;
  for (let at = from; at < octets.length; at += 1) {
    const code = octets.charCodeAt(at);
    if (quote === 0 && code === GREATER) return at;
    if (code === QUOTE || code === APOSTROPHE) {
      if (code === quote) quote = 0;
      else if (quote === 0 && (before === 32 || before === 61)) quote = code;
    }
    before = code;
  }
  return octets.length;
}

/** The next such octet, or the end. */
export function skipTo(octets: string, character: string, from: number): number {
  const at = octets.indexOf(character, from);
  return at < 0 ? octets.length : at;
}
