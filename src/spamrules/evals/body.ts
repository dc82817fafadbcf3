// SpamAssassin's BodyEval plugin: lengths and proportions of the body.
import { isHigh } from "../html/octets.ts";
import { splitLines } from "../message/octets.ts";
import type { MimePart, Subject } from "../subject.ts";
import type { EvalContext, Evals } from "./eval.ts";
import { alternativeDifference, type Difference } from "./word-bags.ts";

const DIFFERENCE = Symbol("difference");
const BLANK_LINES = Symbol("blank lines");
const SPACED = Symbol("spaced");
const STOCK = Symbol("stock");
const SIGNATURE = Symbol("signature");

const difference = (context: EvalContext): Difference =>
  context.memo(DIFFERENCE, () => alternativeDifference(context.subject));

interface Lines {
  readonly all: number;
  readonly blank: number;
}

function linesOf(rawbody: readonly string[]): Lines {
  let all = 0;
  let blank = 0;
  for (const chunk of rawbody) {
    for (const line of splitLines(chunk)) {
      all += 1;
      if (!/[^\t-\r ]/.test(line)) blank += 1;
    }
  }
  return { all, blank };
}

/** The highest share of blanks in a line of more than five octets, in per cent of what is no blank; -1 without such a line. */
function mostSpaced(lines: readonly string[]): number {
  let most = -1;
  for (const line of lines) {
    if (line.length <= 5) continue;
    let blanks = 0;
    for (let at = 0; at < line.length; at += 1) if (line.charCodeAt(at) === 32) blanks += 1;
    const others = line.length - blanks;
    most = Math.max(most, blanks > others ? 100 : Math.trunc((100 * blanks) / others));
  }
  return most;
}

const firstOf = (subject: Subject, type: RegExp): MimePart | undefined =>
  subject.parts.find((part) => type.test(part.type));

/** Longest piece of a text that stock words are looked for in at once, and how far a line end is looked for beyond. */
const PIECE = 2048;

/** As the rawbody is cut: at line ends, else at ">", else at blanks, else anywhere. */
function pieces(text: string): string[] {
  const found: string[] = [];
  let start = 0;
  while (text.length - start > 2 * PIECE) {
    const end = ["\n", ">", " "]
      .map((mark) => text.slice(start + PIECE, start + 2 * PIECE).indexOf(mark))
      .find((at) => at >= 0);
    const next = start + PIECE + (end ?? 0) + 1;
    found.push(text.slice(start, next));
    start = next;
  }
  if (start < text.length) found.push(text.slice(start));
  return found;
}

/** "Name: value" lines, with Perl's white space of octets and of characters. */
const NARROW_FIELD = fieldOf("\\t-\\r ");
const WIDE_FIELD = fieldOf(
  "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000",
);

function fieldOf(space: string): RegExp {
  return new RegExp(
    `(?<![^\\n])[${space}]*([^:${space}][^:\\n]{2,29})[${space}]*:[${space}]*[^${space}]`,
    "g",
  );
}

/** What such a name ends in where somebody praises shares. */
const STOCK_NAMES = [
  "^trad(?:e|ing)date",
  "company(?:name)?",
  "s\\w?(?:t\\w?o\\w?c\\w?k|y\\w?m(?:\\w?b\\w?o\\w?l)?)",
  "t(?:arget|icker)",
  "(?:opening|current)p(?:rice)?",
  "p(?:rojected|osition)",
  "expectations",
  "weeks?high",
  "marketperformance",
  "(?:year|week|month|day|price)(?:target|estimates?)",
  "sector",
  "r(?:ecommendation|ating)",
];
const STOCK_NAME = new RegExp(`(${STOCK_NAMES.join("|")})$`);

/** How many different names of that kind the first plain text has. */
function stockNames(subject: Subject): number {
  const text = firstOf(subject, /^text\/plain$/)?.rendered?.text ?? "";
  const wide = isHigh(text);
  const found = new Set<string>();
  for (const piece of pieces(wide ? Buffer.from(text, "latin1").toString("utf8") : text)) {
    for (const [, name = ""] of piece.matchAll(wide ? WIDE_FIELD : NARROW_FIELD)) {
      const hit = STOCK_NAME.exec(name.toLowerCase().replace(/[^a-z]/g, ""));
      if (hit?.[1] !== undefined) found.add(hit[1]);
    }
  }
  return found.size;
}

interface Signed {
  readonly body: number;
  readonly signature: number;
}

/** Octets before and after the last "-- " line of the first plain text; one in the last four octets does not count. */
function signed(subject: Subject): Signed | null {
  const part = firstOf(subject, /^text\/plain/);
  if (part === undefined) return null;
  const text = part.decoded;
  let result = { body: text.length, signature: 0 };
  for (const { 0: mark, index } of text.matchAll(/(?<![^\n])-- ?\r?(?![^\n])/g)) {
    const after = text.length - index - mark.length;
    if (after > 4) result = { body: index, signature: after };
  }
  return result;
}

function isWithin(value: number | undefined, args: readonly string[]): boolean {
  const [min = "0", max] = args;
  return value !== undefined && value >= Number(min) && (max === undefined || value <= Number(max));
}

const signedOf = (context: EvalContext): Signed | null =>
  context.memo(SIGNATURE, () => signed(context.subject));

export const BODY: Evals = {
  multipart_alternative_difference: (context, [min, max = "undef"]) => {
    const { percent } = difference(context);
    const isEnough = Number(min ?? 0) === 0 || percent > Number(min);
    return isEnough && (max === "undef" || percent <= Number(max));
  },
  multipart_alternative_difference_count: (context, [ratio, minWords]) => {
    const { htmlWords, textWords } = difference(context);
    return htmlWords > Number(minWords ?? 0) && textWords / htmlWords > Number(ratio ?? 0);
  },
  check_blank_line_ratio: (context, [min = "0", max = "0", fewest = "1"]) => {
    const { all, blank } = context.memo(BLANK_LINES, () => linesOf(context.subject.rawbody));
    const percent = all < Math.max(Number(fewest), 1) ? -1 : (100 * blank) / all;
    return (Number(min) === 0 || percent > Number(min)) && percent <= Number(max);
  },
  tvd_vertical_words: (context, [min = "0", max = "0"]) => {
    const percent = context.memo(SPACED, () => mostSpaced(context.subject.body));
    return percent >= Number(min) && percent < (Number(max) >= 100 ? 101 : Number(max));
  },
  check_stock_info: (context, [min = "0"]) =>
    Number(min) === 0 || context.memo(STOCK, () => stockNames(context.subject)) >= Number(min),
  check_body_length: ({ subject }, [min = "0"]) => subject.pristineBody.length <= Number(min),
  plaintext_body_length: (context, args) => isWithin(signedOf(context)?.body, args),
  plaintext_sig_length: (context, args) => isWithin(signedOf(context)?.signature, args),
  plaintext_body_sig_ratio: (context, args) => {
    const lengths = signedOf(context);
    if (lengths === null) return false;
    return isWithin(lengths.signature === 0 ? 1e6 : lengths.body / lengths.signature, args);
  },
};
