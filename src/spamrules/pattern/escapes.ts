// The backslash in Perl patterns: what stands for octets, in and outside of [brackets]. Used by parse.ts and brackets.ts.
import {
  BLANK,
  DIGITS,
  NOT_NEWLINE,
  OctetSet,
  SPACE,
  single,
  VERTICAL,
  WORD,
} from "./octet-set.ts";
import { Untranslatable } from "./syntax.ts";

/** What was read: a set of octets (empty for a character beyond octets, which never matches), and where reading goes on. */
export interface Escape {
  readonly set: OctetSet;
  /** The one octet that it is, for ranges in brackets; null for a class, -1 for a character beyond octets. */
  readonly octet: number | null;
  readonly end: number;
}

const CONTROLS: Readonly<Record<string, number>> = {
  t: 0x09,
  n: 0x0a,
  r: 0x0d,
  f: 0x0c,
  e: 0x1b,
  a: 0x07,
};

const CLASSES: Readonly<Record<string, OctetSet>> = {
  d: DIGITS,
  D: DIGITS.complement(),
  w: WORD,
  W: WORD.complement(),
  s: SPACE,
  S: SPACE.complement(),
  h: BLANK,
  H: BLANK.complement(),
  v: VERTICAL,
  V: VERTICAL.complement(),
  N: NOT_NEWLINE,
};

const OCTAL = /[0-7]{1,3}/y;
const HEX = /[0-9A-Fa-f]{0,2}/y;
const BRACED_HEX = /\{[ \t]*([0-9A-Fa-f_]*)[ \t]*\}/y;
const BRACED_OCTAL = /\{[ \t]*([0-7_]*)[ \t]*\}/y;

/**
 * The escape whose letter stands at `at`, just behind the backslash; `inBrackets` for \b and octal numbers there. null for one
 * that is no octet: an edge, a back reference. Throws Untranslatable for one that Perl does not know or that needs more than octets.
 */
export function readEscape(source: string, at: number, inBrackets: boolean): Escape | null {
  const letter = source[at];
  if (letter === undefined) throw new Untranslatable("ends in a backslash");
  if (!/[A-Za-z0-9]/.test(letter)) return one(letter.charCodeAt(0), at + 1);
  const control = CONTROLS[letter];
  if (control !== undefined) return one(control, at + 1);
  if (letter === "N" && (inBrackets || /^N\{(?:U\+|[^\d,\s])/.test(source.slice(at, at + 5)))) {
    throw new Untranslatable("\\N{…} names a character, patterns meet octets");
  }
  const known = CLASSES[letter];
  if (known !== undefined) return { set: known, octet: null, end: at + 1 };
  if (letter === "b" && inBrackets) return one(0x08, at + 1);
  if (letter === "x") return hexadecimal(source, at + 1);
  if (letter === "o") return braced(source, at + 1, BRACED_OCTAL, 8);
  if (letter === "c") return controlKey(source, at + 1);
  if (letter === "0" || (inBrackets && letter >= "1" && letter <= "7")) return octal(source, at);
  if (letter === "p" || letter === "P") {
    throw new Untranslatable(`\\${letter} asks for properties of characters, patterns meet octets`);
  }
  if (!inBrackets) return null;
  throw unknown(letter);
}

export function unknown(letter: string): Untranslatable {
  return new Untranslatable(`unrecognized escape \\${letter}`);
}

/** An octal number that starts at `at`. */
export function octal(source: string, at: number): Escape {
  OCTAL.lastIndex = at;
  const digits = OCTAL.exec(source)?.[0];
  if (digits === undefined) throw new Untranslatable("a number that is neither octal nor a group");
  return one(parseInt(digits, 8), at + digits.length);
}

function hexadecimal(source: string, at: number): Escape {
  if (source[at] === "{") return braced(source, at, BRACED_HEX, 16);
  HEX.lastIndex = at;
  const digits = HEX.exec(source)?.[0] ?? "";
  // Perl warns of that, and SpamAssassin takes the warning for a mistake.
  if (digits.length < 2 && /[0-9A-Za-z]/.test(source[at + digits.length] ?? ""))
    throw new Untranslatable(`\\x${digits} has fewer than two digits`);
  return one(parseInt(digits || "0", 16), at + digits.length);
}

function braced(source: string, at: number, form: RegExp, base: number): Escape {
  form.lastIndex = at;
  const found = form.exec(source);
  if (found === null) throw new Untranslatable("a number in braces that is none");
  return one(parseInt(found[1]!.replaceAll("_", "") || "0", base), at + found[0].length);
}

function controlKey(source: string, at: number): Escape {
  const key = source[at];
  if (key === undefined) throw new Untranslatable("\\c at the end");
  return one(key.toUpperCase().charCodeAt(0) ^ 0x40, at + 1);
}

function one(octet: number, end: number): Escape {
  if (octet > 0xff) return { set: new OctetSet(), octet: -1, end };
  return { set: single(octet, false), octet, end };
}
