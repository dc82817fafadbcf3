// [Classes] of octets in Perl patterns. Used by parse.ts.
import { readEscape } from "./escapes.ts";
import { OctetSet, POSIX, single } from "./octet-set.ts";
import { Untranslatable } from "./syntax.ts";

export interface BracketOptions {
  readonly ignoreCase: boolean;
  /** /xx: blanks and tabs stand for nothing. */
  readonly skipBlanks: boolean;
}

interface Member {
  readonly set: OctetSet;
  readonly octet: number | null;
  readonly end: number;
}

const POSIX_CLASS = /\[:(\^?)([a-z]*):\]/y;

/**
 * Sets by the text of their class: expanded tags repeat them by the thousand, and what is known of a set is kept by set. Begun anew
 * when it is full.
 */
const known = new Map<string, OctetSet>();
const MOST_KNOWN = 5000;

/** Ordinary classes, whose end is plain to see. */
const PLAIN = /\^?[^\]\\[^]+\]/y;

/** The class whose first character behind "[" stands at `at`. */
export function readBrackets(
  source: string,
  at: number,
  options: BracketOptions,
): { readonly set: OctetSet; readonly end: number } {
  PLAIN.lastIndex = at;
  const plain = PLAIN.exec(source)?.[0];
  if (plain === undefined) return read(source, at, options);
  const key = `${options.ignoreCase ? "i" : ""}${options.skipBlanks ? "x" : ""}[${plain}`;
  let set = known.get(key);
  if (set === undefined) {
    set = read(source, at, options).set;
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(key, set);
  }
  return { set, end: at + plain.length };
}

function read(
  source: string,
  at: number,
  { ignoreCase, skipBlanks }: BracketOptions,
): { readonly set: OctetSet; readonly end: number } {
  let set = new OctetSet();
  const negated = source[at] === "^";
  let here = negated ? at + 1 : at;
  // A "]" that comes first stands for itself.
  for (let first = true; first || source[here] !== "]"; first = false) {
    if (skipBlanks && (source[here] === " " || source[here] === "\t")) {
      here++;
      continue;
    }
    const low = member(source, here);
    here = low.end;
    if (source[here] === "-" && source[here + 1] !== "]" && here + 1 < source.length) {
      const high = member(source, here + 1);
      if (low.octet === null || high.octet === null) throw new Untranslatable("false [] range");
      addRange(set, low.octet, high.octet);
      here = high.end;
    } else if (low.octet !== null && low.octet >= 0) set.add(low.octet);
    else set.addAll(low.set);
  }
  if (ignoreCase) set = set.folded();
  return { set: negated ? set.complement() : set, end: here + 1 };
}

function member(source: string, at: number): Member {
  const here = source[at];
  if (here === undefined) throw new Untranslatable("a [ without its ]");
  if (here === "\\") return readEscape(source, at + 1, true)!;
  if (here === "[") {
    if (/^\[([.=])[^\]]*\1\]/.test(source.slice(at, at + 20)))
      throw new Untranslatable(`[${source[at + 1]} ${source[at + 1]}] is no class`);
    POSIX_CLASS.lastIndex = at;
    const found = POSIX_CLASS.exec(source);
    if (found !== null) {
      const known = POSIX.get(found[2]!);
      if (known === undefined) throw new Untranslatable(`unknown class [:${found[2]}:]`);
      const set = found[1] === "^" ? known.complement() : known;
      return { set, octet: null, end: at + found[0].length };
    }
  }
  const octet = here.charCodeAt(0);
  if (octet > 0xff) throw new Untranslatable("characters beyond octets");
  return { set: single(octet, false), octet, end: at + 1 };
}

/** -1 is a character beyond octets: the range goes on to the last octet, or lies beyond them all. */
function addRange(set: OctetSet, low: number, high: number): void {
  if (low === -1) return;
  if (high === -1) return set.addRange(low, 0xff);
  if (low > high) throw new Untranslatable("invalid [] range");
  set.addRange(low, high);
}
