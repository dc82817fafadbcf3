// Globs and /regular expressions/ of rule files as compiled tests. Regular expressions run on RE2 (linear time whatever a
// sender writes), without regard to case unless the operator writes (?-i). Called by the lists (addresses, networks,
// banned), which hold exact patterns in maps and come here for the others.
import { RE2JS } from "re2js";

/** True when the pattern matches. The subject must be lower case where the pattern is a glob. */
export type Test = (subject: string) => boolean;

/** A compiled pattern, or why it cannot be used. */
export type Compiled<T> = { readonly ok: T } | { readonly error: string };

const MAX_PATTERN_CHARS = 2000;
/** RE2 instructions of one expression: more would cost milliseconds on a long subject. */
const MAX_PROGRAM = 10_000;

/** Whether the word is a /regular expression/ by its form. */
export function isRegex(word: string): boolean {
  return word.startsWith("/");
}

/** Whether the word holds a wildcard, * or ?. */
export function isGlob(word: string): boolean {
  return /[*?]/.test(word);
}

/** Compiles "/…/" with the flags i (the default), m, s. What RE2 cannot do is an error that says so. */
export function regexTest(word: string): Compiled<Test> {
  const end = word.lastIndexOf("/");
  const flags = word.slice(end + 1);
  const wrongFlag = /[^ims]/.exec(flags);
  if (!word.startsWith("/") || end < 1) return { error: `${word} is no regular expression` };
  if (wrongFlag)
    return {
      error: `unknown flag "${wrongFlag[0]}" after the regular expression; possible: i, m, s`,
    };
  const source = word
    .slice(1, end)
    .replace(/\\([\\/])/g, (both, c: string) => (c === "/" ? "/" : both));
  if (source === "")
    return { error: "an empty regular expression matches everything; write * for that" };
  return re2(source, flags);
}

function re2(source: string, flags: string): Compiled<Test> {
  if (source.length > MAX_PATTERN_CHARS)
    return { error: `the pattern is longer than ${MAX_PATTERN_CHARS} characters` };
  try {
    const compiled = RE2JS.compile(
      source,
      RE2JS.CASE_INSENSITIVE |
        (flags.includes("m") ? RE2JS.MULTILINE : 0) |
        (flags.includes("s") ? RE2JS.DOTALL : 0),
    );
    if (compiled.programSize() > MAX_PROGRAM)
      return { error: "the regular expression is too large" };
    return { ok: (subject) => compiled.test(subject) };
  } catch (cause) {
    // RE2JS has no other way to say that an expression is wrong.
    const why = cause instanceof Error ? cause.message : String(cause);
    const lookaround = /\(\?<?[=!]/.test(source)
      ? " (RE2 knows no lookahead, lookbehind or backreference)"
      : "";
    return { error: `/${source}/ cannot be used: ${why}${lookaround}` };
  }
}

/** Compiles a glob: * is any run of characters, ? is one; everything else stands for itself. Case is ignored. */
export function globTest(word: string): Compiled<Test> {
  const glob = word.toLowerCase().replace(/\*+/g, "*");
  if (glob.length > MAX_PATTERN_CHARS)
    return { error: `the pattern is longer than ${MAX_PATTERN_CHARS} characters` };
  const pieces = glob.split("*");
  if (!glob.includes("?") && pieces.length <= 3) {
    const [head = "", middle = "", tail = ""] = pieces;
    if (pieces.length === 1) return { ok: (subject) => subject === glob };
    if (pieces.length === 2)
      return {
        ok: (subject) =>
          subject.length >= head.length + middle.length &&
          subject.startsWith(head) &&
          subject.endsWith(middle),
      };
    if (head === "" && tail === "") return { ok: (subject) => subject.includes(middle) };
  }
  const source = glob.replace(/[^*?]+|\*|\?/g, (piece) =>
    piece === "*" ? ".*" : piece === "?" ? "." : RE2JS.quote(piece),
  );
  return re2(`^${source}$`, "s");
}
