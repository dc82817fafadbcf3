// What stands between a parenthesis and its content in Perl patterns: "(?:", "(?<name>", "(?i-s:", "(?=". Used by parse.ts.
import { Untranslatable } from "./syntax.ts";

/** Modes of reading, as "imsxn" after a pattern or within it sets them. */
export interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
  readonly xx: boolean;
  readonly n: boolean;
}

export type GroupHead =
  | { readonly is: "capture"; readonly name: string | null; readonly end: number }
  | { readonly is: "plain" | "atomic" | "reset"; readonly flags: Flags; readonly end: number }
  | { readonly is: "flags"; readonly flags: Flags; readonly end: number }
  | {
      readonly is: "look";
      readonly behind: boolean;
      readonly negative: boolean;
      readonly end: number;
    }
  | { readonly is: "back"; readonly name: string; readonly end: number }
  | { readonly is: "condition"; readonly end: number }
  | { readonly is: "comment"; readonly end: number };

const NAMED = /\(\?P?(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/y;
const NAMED_BACK = /\(\?P=([A-Za-z_]\w*)\)/y;
const LOOK = /\(\?(<?)([=!])/y;
const ALPHABETIC_LOOK =
  /\(\*(pla|plb|nla|nlb|positive_lookahead|positive_lookbehind|negative_lookahead|negative_lookbehind|atomic):/y;
const MODES = /\(\?(\^?)([a-z]*)(?:-([a-z]*))?([:)])/y;
const COMMENT = /\(\?#[^)]*\)/y;

const REFUSED: readonly (readonly [string, string])[] = [
  ["(?{", "code in a pattern is never run"],
  ["(??{", "code in a pattern is never run"],
  ["(?R)", "recursion"],
  ["(?&", "recursion"],
  ["(?P>", "recursion"],
  ["(?[", "extended bracketed classes"],
  ["(*", "backtracking verbs"],
];

/** Reads from the "(" at `at`. `flags` are those in force there. */
export function readGroupHead(source: string, at: number, flags: Flags): GroupHead {
  const alphabetic = exec(ALPHABETIC_LOOK, source, at);
  if (alphabetic !== null) return alphabeticHead(alphabetic);
  for (const [start, why] of REFUSED) {
    if (source.startsWith(start, at)) throw new Untranslatable(`${why}: ${start}`);
  }
  if (source[at + 1] !== "?") {
    const end = at + 1;
    return flags.n ? { is: "plain", flags, end } : { is: "capture", name: null, end };
  }
  if (/^\(\?[-+]?\d/.test(source.slice(at, at + 4))) throw new Untranslatable("recursion: (?1)");
  if (source.startsWith("(?(", at)) return { is: "condition", end: at + 2 };
  if (source.startsWith("(?>", at)) return { is: "atomic", flags, end: at + 3 };
  if (source.startsWith("(?|", at)) return { is: "reset", flags, end: at + 3 };
  const comment = exec(COMMENT, source, at);
  if (comment !== null) return { is: "comment", end: at + comment[0].length };
  const look = exec(LOOK, source, at);
  if (look !== null) {
    return { is: "look", behind: look[1] === "<", negative: look[2] === "!", end: end(look) };
  }
  const back = exec(NAMED_BACK, source, at);
  if (back !== null) return { is: "back", name: back[1]!, end: end(back) };
  const named = exec(NAMED, source, at);
  if (named !== null) return { is: "capture", name: named[1] ?? named[2]!, end: end(named) };
  return modes(source, at, flags);
}

/** The modes that a run of letters sets (or, with `to` false, takes away). */
export function withModes(flags: Flags, letters: string, to: boolean): Flags {
  const after: Record<keyof Flags, boolean> = { ...flags };
  for (const letter of letters) {
    if (letter === "i" || letter === "m" || letter === "s" || letter === "n") after[letter] = to;
    else if (letter === "x") {
      if (to) after.xx = letters.includes("xx");
      else after.xx = false;
      after.x = to;
    } else if (letter === "l" || letter === "d" || letter === "u" || letter === "a") continue;
    else if (letter === "p") continue;
    else throw new Untranslatable(`unknown flag ${letter}`);
  }
  return after;
}

function modes(source: string, at: number, flags: Flags): GroupHead {
  const found = exec(MODES, source, at);
  if (found === null) {
    throw new Untranslatable(`sequence ${source.slice(at, at + 4)}… not recognized`);
  }
  const none = { i: false, m: false, s: false, x: false, xx: false, n: false };
  const added = withModes(found[1] === "^" ? none : flags, found[2]!, true);
  const after = withModes(added, found[3] ?? "", false);
  return { is: found[4] === ":" ? "plain" : "flags", flags: after, end: end(found) };
}

function alphabeticHead(found: RegExpExecArray): GroupHead {
  const word = found[1]!;
  if (word === "atomic") throw new Untranslatable("(*atomic:…): write (?>…)");
  const behind = word.endsWith("b") || word.endsWith("behind");
  return { is: "look", behind, negative: word.startsWith("n"), end: end(found) };
}

function exec(form: RegExp, source: string, at: number): RegExpExecArray | null {
  form.lastIndex = at;
  return form.exec(source);
}

function end(found: RegExpExecArray): number {
  return found.index + found[0].length;
}
