// Host names with letters outside ASCII to their ACE form, by IDNA 2003 as GNU libidn does it (RFC 3490, RFC 3491), which is what
// SpamAssassin asks. Names are octets, as everywhere: UTF-8, or else ISO 8859-1.
import { isUtf8 as isUtf8Buffer } from "node:buffer";
import { fromUtf8, lower } from "../message/octets.ts";
import { isUnassigned } from "./unassigned.ts";

const PLAIN = /^[a-zA-Z0-9_.:[\]-]*$/;
/** Octets of U+2024, U+3002, U+FF0E, U+FF61, U+FE52, which SpamAssassin takes for full stops. */
const OTHER_DOTS = /\xe2\x80\xa4|\xe3\x80\x82|\xef\xbc\x8e|\xef\xbd\xa1|\xef\xb9\x92/g;
const LATIN1_NAME = /^[a-zA-Z0-9\xc0-\xd6\xd8-\xde\xe0-\xf6\xf8-\xfe_.-]*$/;
type Range = readonly [first: number, last: number];
/** Mapped to nothing (RFC 3454, table B.1). */
const INVISIBLE: readonly Range[] = [
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x1806, 0x1806],
  [0x180b, 0x180d],
  [0x200b, 0x200d],
  [0x2060, 0x2060],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
];
/** Prohibited (RFC 3454, tables C.1.2 to C.9, as far as mapping leaves any). */
const PROHIBITED: readonly Range[] = [
  [0x80, 0x9f],
  [0x340, 0x341],
  [0x6dd, 0x6dd],
  [0x70f, 0x70f],
  [0x1680, 0x1680],
  [0x180e, 0x180e],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x2063],
  [0x206a, 0x206f],
  [0x2ff0, 0x2ffb],
  [0xfff9, 0xfffd],
  [0x1d173, 0x1d17a],
  [0xe0001, 0xe0001],
  [0xe0020, 0xe007f],
];
const NEVER = /[\p{Co}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const RIGHT_TO_LEFT =
  /(?=[\p{L}\p{Po}\p{Pd}\p{So}])(?:\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana})/u;
const LETTER = /\p{L}/u;
const LABEL = 63;

/** The name in ASCII, lower case where it was ASCII alone; what IDNA refuses stays as it is (with its full stops made plain). */
export function idnToAscii(name: string): string {
  if (PLAIN.test(name)) return lower(name);
  let text: string;
  let kept = name;
  if (isUtf8(name)) {
    kept = name.replace(OTHER_DOTS, ".");
    text = fromUtf8(kept);
  } else if (LATIN1_NAME.test(name)) text = name;
  else return lower(name);
  const nul = text.indexOf("\0");
  if (nul >= 0) text = text.slice(0, nul); // a string of C ends there
  return ace(text) ?? kept;
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

function isUtf8(octets: string): boolean {
  return isAscii(octets) || isUtf8Buffer(Buffer.from(octets, "latin1"));
}

/** null: a label is empty, too long, or of characters that are not allowed. */
function ace(name: string): string | null {
  const labels = name.split(/[.\u3002\uff0e\uff61]/);
  const done: string[] = [];
  for (const [index, label] of labels.entries()) {
    if (label === "" && index === labels.length - 1 && index > 0) {
      done.push(""); // the root
      continue;
    }
    const form = aceLabel(label);
    if (form === null) return null;
    done.push(form);
  }
  return done.join(".");
}

function aceLabel(label: string): string | null {
  let form = label;
  if (!isAscii(label)) {
    const prepared = nameprep(label);
    if (prepared === null) return null;
    form = prepared;
    if (!isAscii(prepared)) {
      if (prepared.startsWith("xn--")) return null;
      form = `xn--${punycode(codesOf(prepared))}`;
    }
  }
  return form.length < 1 || form.length > LABEL ? null : form;
}

function nameprep(label: string): string | null {
  const codes = codesOf(label);
  if (codes.some(isUnassigned)) return null;
  const seen = codes.filter((code) => !within(INVISIBLE, code));
  const text = seen.map((code) => String.fromCodePoint(code)).join("");
  const folded = fold(fold(text).normalize("NFKC")).normalize("NFKC");
  if (NEVER.test(folded) || codesOf(folded).some((code) => within(PROHIBITED, code))) return null;
  if (RIGHT_TO_LEFT.test(folded)) {
    const chars = [...folded];
    const first = chars[0] ?? "";
    const final = chars[chars.length - 1] ?? "";
    if (!RIGHT_TO_LEFT.test(first) || !RIGHT_TO_LEFT.test(final)) return null;
    if (chars.some((char) => LETTER.test(char) && !RIGHT_TO_LEFT.test(char))) return null;
  }
  return folded;
}

function codesOf(text: string): number[] {
  return Array.from(text, (char) => char.codePointAt(0) ?? 0);
}

function within(ranges: readonly Range[], code: number): boolean {
  return ranges.some(([first, last]) => code >= first && code <= last);
}

/** Full case folding of Unicode 3.2: by way of capitals, since that takes sharp s and its like apart; dotless i stays. */
function fold(text: string): string {
  return Array.from(text, (char) => {
    if (char === "\u0131") return char;
    const folded = char.toLowerCase().toUpperCase().toLowerCase().replaceAll("\u03c2", "\u03c3");
    return folded !== char && codesOf(folded).some(isUnassigned) ? char : folded;
  }).join("");
}

const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;

/** RFC 3492. */
function punycode(codes: readonly number[]): string {
  let out = String.fromCharCode(...codes.filter((code) => code < 0x80));
  const basic = out.length;
  if (basic > 0) out += "-";
  let n = 0x80;
  let delta = 0;
  let bias = 72;
  let handled = basic;
  while (handled < codes.length && out.length <= LABEL) {
    let next = Infinity;
    for (const code of codes) if (code >= n && code < next) next = code;
    delta += (next - n) * (handled + 1);
    n = next;
    for (const code of codes) {
      if (code < n) delta += 1;
      if (code !== n) continue;
      out += digits(delta, bias);
      bias = adapt(delta, handled + 1, handled === basic);
      delta = 0;
      handled += 1;
    }
    delta += 1;
    n += 1;
  }
  return out;
}

function digits(delta: number, bias: number): string {
  let out = "";
  let q = delta;
  for (let k = BASE; ; k += BASE) {
    const t = Math.min(Math.max(k - bias, T_MIN), T_MAX);
    if (q < t) break;
    out += digit(t + ((q - t) % (BASE - t)));
    q = Math.floor((q - t) / (BASE - t));
  }
  return out + digit(q);
}

function digit(value: number): string {
  return String.fromCharCode(value < 26 ? 97 + value : 22 + value);
}

function adapt(delta: number, points: number, first: boolean): number {
  let left = first ? Math.floor(delta / 700) : delta >> 1;
  left += Math.floor(left / points);
  let k = 0;
  while (left > ((BASE - T_MIN) * T_MAX) >> 1) {
    left = Math.floor(left / (BASE - T_MIN));
    k += BASE;
  }
  return Math.floor(k + ((BASE - T_MIN + 1) * left) / (left + 38));
}
