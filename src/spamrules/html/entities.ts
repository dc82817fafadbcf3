// Character references, decoded as HTML::Parser decodes them: HTML 4's names, Latin-1's with or without ";", numbers that overflow left
// as they are, surrogate pairs joined. Called by render.ts for text and attributes.
import { widen } from "./octets.ts";

/** Names that need no ";", from U+00A0 on. */
const LATIN = `
  nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot
  cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml
  Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig
  agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute
  ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml`;

/** Names that need one, with their code. */
const FAR = `
  OElig:152 oelig:153 Scaron:160 scaron:161 Yuml:178 fnof:192 circ:2c6 tilde:2dc Alpha:391 Beta:392 Gamma:393 Delta:394
  Epsilon:395 Zeta:396 Eta:397 Theta:398 Iota:399 Kappa:39a Lambda:39b Mu:39c Nu:39d Xi:39e Omicron:39f Pi:3a0 Rho:3a1 Sigma:3a3
  Tau:3a4 Upsilon:3a5 Phi:3a6 Chi:3a7 Psi:3a8 Omega:3a9 alpha:3b1 beta:3b2 gamma:3b3 delta:3b4 epsilon:3b5 zeta:3b6 eta:3b7
  theta:3b8 iota:3b9 kappa:3ba lambda:3bb mu:3bc nu:3bd xi:3be omicron:3bf pi:3c0 rho:3c1 sigmaf:3c2 sigma:3c3 tau:3c4
  upsilon:3c5 phi:3c6 chi:3c7 psi:3c8 omega:3c9 thetasym:3d1 upsih:3d2 piv:3d6 ensp:2002 emsp:2003 thinsp:2009 zwnj:200c
  zwj:200d lrm:200e rlm:200f ndash:2013 mdash:2014 lsquo:2018 rsquo:2019 sbquo:201a ldquo:201c rdquo:201d bdquo:201e dagger:2020
  Dagger:2021 bull:2022 hellip:2026 permil:2030 prime:2032 Prime:2033 lsaquo:2039 rsaquo:203a oline:203e frasl:2044 euro:20ac
  image:2111 weierp:2118 real:211c trade:2122 alefsym:2135 larr:2190 uarr:2191 rarr:2192 darr:2193 harr:2194 crarr:21b5
  lArr:21d0 uArr:21d1 rArr:21d2 dArr:21d3 hArr:21d4 forall:2200 part:2202 exist:2203 empty:2205 nabla:2207 isin:2208 notin:2209
  ni:220b prod:220f sum:2211 minus:2212 lowast:2217 radic:221a prop:221d infin:221e ang:2220 and:2227 or:2228 cap:2229 cup:222a
  int:222b there4:2234 sim:223c cong:2245 asymp:2248 ne:2260 equiv:2261 le:2264 ge:2265 sub:2282 sup:2283 nsub:2284 sube:2286
  supe:2287 oplus:2295 otimes:2297 perp:22a5 sdot:22c5 lceil:2308 rceil:2309 lfloor:230a rfloor:230b lang:2329 rang:232a
  loz:25ca spades:2660 clubs:2663 hearts:2665 diams:2666`;

const CODES = new Map<string, number>([
  ["quot", 0x22],
  ["amp", 0x26],
  ["apos", 0x27],
  ["lt", 0x3c],
  ["gt", 0x3e],
]);
for (const [at, name] of LATIN.trim().split(/\s+/).entries()) CODES.set(name, 0xa0 + at);
for (const entry of FAR.trim().split(/\s+/)) {
  const [name = "", code = ""] = entry.split(":");
  CODES.set(`${name};`, parseInt(code, 16));
}
/** Of names that need no ";". */
const LONGEST = 6;

/** A decoded text: a narrow one becomes wide when a code above U+00FF comes. */
export interface Decoded {
  readonly octets: string;
  readonly wide: boolean;
}

interface State {
  parts: string[];
  wide: boolean;
  /** A high surrogate that was just written as U+FFFD; 0 without one. */
  high: number;
}

/** `inText`: a name may be cut short ("&ampx" is "&x"); in attributes it may not. Linear time. */
export function decodeEntities(octets: string, wide: boolean, inText: boolean): Decoded {
  let at = octets.indexOf("&");
  if (at < 0) return { octets, wide };
  const state: State = { parts: [], wide, high: 0 };
  let done = 0;
  while (at >= 0) {
    copy(state, octets.slice(done, at), wide);
    done = octets[at + 1] === "#" ? number(octets, at, state) : name(octets, at, state, inText);
    at = octets.indexOf("&", done);
  }
  copy(state, octets.slice(done), wide);
  return { octets: state.parts.join(""), wide: state.wide };
}

function copy(state: State, piece: string, wide: boolean): void {
  state.parts.push(state.wide && !wide ? widen(piece) : piece);
}

/** Decodes "&NAME" or copies it; gives where to go on. */
function name(octets: string, start: number, state: State, inText: boolean): number {
  let end = start + 1;
  while (isNameOctet(octets.charCodeAt(end))) end += 1;
  state.high = 0;
  const length = end - start - 1;
  let code: number | undefined;
  if (length > 0 && length <= 12) {
    const whole = octets.slice(start + 1, end);
    code = CODES.get(whole);
    if (code === undefined && octets[end] === ";") code = CODES.get(`${whole};`);
  }
  for (let cut = Math.min(length - 1, LONGEST); inText && code === undefined && cut > 0; cut -= 1) {
    code = CODES.get(octets.slice(start + 1, start + 1 + cut));
    if (code !== undefined) end = start + 1 + cut;
  }
  if (code === undefined) {
    state.parts.push(octets.slice(start, end));
    return end;
  }
  put(state, code);
  return octets[end] === ";" ? end + 1 : end;
}

/** Decodes "&#NUMBER" or copies it. */
function number(octets: string, start: number, state: State): number {
  let end = start + 2;
  const hexadecimal = octets[end] === "x" || octets[end] === "X";
  if (hexadecimal) end += 1;
  let value = 0;
  let isGood = false;
  for (; end < octets.length; end += 1) {
    const digit = digitOf(octets.charCodeAt(end), hexadecimal);
    if (digit < 0) break;
    value = hexadecimal ? value * 16 + digit : value * 10 + digit;
    isGood = value <= 0x10ffff;
    if (!isGood) break;
  }
  const isOctet = !state.wide && value <= 255;
  if (!isGood || value === 0 || (!isOctet && (value === 0xfffe || value === 0xffff))) {
    state.parts.push(octets.slice(start, end));
    return end;
  }
  put(state, isOctet ? value : paired(state, value));
  if (octets[end] === ";") end += 1;
  if (octets[end] !== "&") state.high = 0;
  return end;
}

/** The code to write for a number: pairs of surrogates joined, what Unicode has no character for replaced. */
function paired(state: State, value: number): number {
  if (value >= 0xdc00 && value <= 0xdfff) {
    if (state.high === 0) return 0xfffd;
    const joined = (state.high - 0xd800) * 0x400 + (value - 0xdc00) + 0x10000;
    state.high = 0;
    // Three octets are taken back wherever they came from: text after a high surrogate that is no reference is lost in part.
    for (let left = 3; left > 0 && state.parts.length > 0;) {
      const last = state.parts.pop() ?? "";
      if (last.length > left) state.parts.push(last.slice(0, last.length - left));
      left -= Math.min(left, last.length);
    }
    return joined;
  }
  if (value >= 0xd800 && value <= 0xdbff) {
    state.high = value;
    return 0xfffd;
  }
  state.high = 0;
  const isNone = (value >= 0xfdd0 && value <= 0xfdef) || (value & 0xfffe) === 0xfffe;
  return isNone ? 0xfffd : value;
}

function put(state: State, code: number): void {
  if (!state.wide && code > 255) {
    state.wide = true;
    state.parts = [widen(state.parts.join(""))];
  }
  if (state.wide && code > 127) {
    state.parts.push(Buffer.from(String.fromCodePoint(code), "utf8").toString("latin1"));
  } else {
    state.parts.push(String.fromCharCode(code));
  }
}

/** -1: no digit. A NUL counts as the hexadecimal digit 0: C finds it at the end of the string of digits. */
function digitOf(code: number, hexadecimal: boolean): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (!hexadecimal) return -1;
  if (code === 0) return 0;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 && code >= 65 ? letter - 87 : -1;
}

function isNameOctet(code: number): boolean {
  const letter = code | 32;
  return (letter >= 97 && letter <= 122) || (code >= 48 && code <= 57) || code === 95;
}
