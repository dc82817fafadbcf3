// SpamAssassin's HTMLEval plugin: what rules ask of HTML parts. Any part will do.
import { characters } from "../html/octets.ts";
import type { HtmlFacts } from "../html/facts.ts";
import { compilePerl } from "../pattern/translate.ts";
import type { Eval, Evals } from "./eval.ts";

/** Patterns of rules, compiled once; a rule book has a handful. */
const compiled = new Map<string, RegExp | null>();
const MOST_COMPILED = 500;

/** True when one HTML part meets it. */
const any =
  (meets: (html: HtmlFacts, args: readonly string[]) => boolean): Eval =>
  ({ subject }, args) =>
    subject.htmlParts.some((html) => meets(html, args));

const number = (args: readonly string[], at: number): number => Number(args[at] ?? 0);

/** `expression`: what follows the value in Perl, "!= 0" or "< 512". One comparison; others never hold. */
function holds(value: number, expression: string | undefined): boolean {
  const [, sign, right] =
    /^[\t-\r ]*([<>]=?|[=!]=)[\t-\r ]*([+-]?\d+)[\t-\r ]*$/.exec(expression ?? "") ?? [];
  const other = Number(right);
  switch (sign) {
    case "<":
      return value < other;
    case ">":
      return value > other;
    case "<=":
      return value <= other;
    case ">=":
      return value >= other;
    case "==":
      return value === other;
    case "!=":
      return value !== other;
    default:
      return false;
  }
}

/** Texts by the name that rules use; [] for a name that there is none of. */
function textsOf(html: HtmlFacts, name: string | undefined): readonly string[] {
  switch (name) {
    case "title":
      return html.titles;
    case "anchor":
      return html.anchors;
    case "comment":
      return html.comments;
    case "script":
      return html.scripts;
    default:
      return [];
  }
}

function patternOf(source: string | undefined): RegExp | null {
  if (source === undefined) return null;
  let pattern = compiled.get(source);
  if (pattern === undefined) {
    const made = compilePerl({ source, flags: "" });
    pattern = made instanceof RegExp ? made : null;
    if (compiled.size >= MOST_COMPILED) compiled.clear();
    compiled.set(source, pattern);
  }
  return pattern;
}

/**
 * As Perl's pattern meets it, character by character: those above U+00FF, which no pattern of octets names, become one octet that
 * patterns hardly name, so that "." and negated sets meet them. A set such as [\x80-\xff] does so, too, as it does not in Perl.
 */
function asCharacters(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  return Buffer.from(text, "latin1")
    .toString("utf8")
    .replace(/[\ud800-\udbff][\udc00-\udfff]|[^\0-\xff]/g, "\x81");
}

function texts(negated: boolean): Eval {
  return ({ subject }, [name, source]) => {
    const pattern = patternOf(source);
    if (pattern === null) return false;
    return subject.htmlParts.some((html) =>
      textsOf(html, name).some((text) => pattern.test(asCharacters(text)) !== negated),
    );
  };
}

/** Whether a title is so many times as long as the Subject; its octets are counted with its line end. */
const titleAndSubject: Eval = ({ subject }, args) => {
  const length = subject.get("Subject")?.length ?? 0;
  if (length === 0) return false;
  const ratio = number(args, 0);
  return subject.htmlParts.some((html) =>
    html.titles.some(
      (title) => title !== "0" && characters(title, true) / length > Math.max(ratio, 0),
    ),
  );
};

export const HTML: Evals = {
  html_tag_balance: any(({ inside }, [tag = "", expression]) => {
    const balance = inside.get(tag);
    return balance !== undefined && /^[a-zA-Z0-9]+$/.test(tag) && holds(balance, expression);
  }),
  html_image_only: any(({ inside, metrics }, args) => {
    const length = metrics.get("length");
    if (length === undefined || !inside.has("img")) return false;
    return length > number(args, 0) && length <= number(args, 1);
  }),
  html_image_ratio: any(({ metrics }, args) => {
    const area = metrics.get("image_area") ?? 0;
    const length = metrics.get("non_space_len");
    if (length === undefined || area <= 0) return false;
    return length / area > number(args, 0) && length / area <= number(args, 1);
  }),
  // SpamAssassin's renderer gathers charsets, but never hands them on.
  html_charset_faraway: () => false,
  html_tag_exists: any(({ inside }, [tag = ""]) => inside.has(tag)),
  html_test: any(
    (html, [name = ""]) => (html.metrics.get(name) ?? 0) !== 0 || textsOf(html, name).length > 0,
  ),
  html_eval: any(({ metrics }, [name = "", expression]) => {
    const value = metrics.get(name);
    return value !== undefined && holds(value, expression);
  }),
  html_text_match: texts(false),
  html_text_not_match: texts(true),
  html_title_subject_ratio: titleAndSubject,
  html_range: any(({ metrics }, [name = "", min = "0", max = "inf"]) => {
    const value = metrics.get(name);
    if (value === undefined || value <= Number(min)) return false;
    return max === "inf" || value <= Number(max);
  }),
  check_iframe_src: any(({ links }) => links.some(({ types }) => types.includes("iframe"))),
};
