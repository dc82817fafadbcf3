// The eval functions of SpamAssassin's MIMEEval plugin: questions about the MIME structure and about how parts are encoded.
import { readContentType } from "../message/content-type.ts";
import { lower } from "../message/octets.ts";
import type { MimePart, Subject } from "../subject.ts";
import { fitsLocales } from "./charset-locales.ts";
import type { EvalContext, Evals } from "./eval.ts";
import { mimeFacts, type MimeFacts } from "./mime-facts.ts";
import { uppercaseShare } from "./uppercase.ts";

const FACTS = Symbol("MIMEEval");
const UPPERCASE = Symbol("uppercase");
const BASE64_LENGTH = Symbol("base64 length");

const factsOf = (context: EvalContext): MimeFacts =>
  context.memo(FACTS, () => mimeFacts(context.subject, context.book.settings.okLocales));

const isHtml = (subject: Subject): boolean =>
  /^text\/html/i.test(subject.get("Content-Type") ?? "");

/** The charset that the message's own Content-Type names. */
const declaredCharset = (subject: Subject): string | null => {
  const type = subject.get("Content-Type") ?? "";
  const found =
    /charset="([^"]+)"/i.exec(type) ??
    /charset='([^']+)'/i.exec(type) ??
    /charset=([^\t-\r ]+)/i.exec(type);
  return found?.[1] ?? null;
};

/** Charsets whose text looks like capitals, being no Latin letters. */
const looksLikeCapitals = (charset: string): boolean =>
  /^[-_a-z0-9]+\n?$/i.test(charset) &&
  /koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis/i.test(charset);

const capitals = (context: EvalContext): number =>
  context.memo(UPPERCASE, () => {
    const { subject } = context;
    const charsets = [declaredCharset(subject) ?? "", ...factsOf(context).charsets];
    return charsets.some(looksLikeCapitals) ? 0 : uppercaseShare(subject.body);
  });

/** Octets in the longest line of base64, its end included. */
const longestBase64 = (parts: readonly MimePart[]): number => {
  let longest = 0;
  for (const part of parts) {
    if (!part.leaf || lower(part.header("content-transfer-encoding").at(-1) ?? "") !== "base64")
      continue;
    if (readContentType(part.header("content-type").at(-1) ?? null).type === "application/ics")
      continue;
    for (const line of part.raw) if (line.length > longest) longest = line.length;
  }
  return longest;
};

const isFaraway = (subject: Subject, locales: readonly string[]): boolean => {
  const charset = declaredCharset(subject);
  if (locales.includes("all") || charset === null || fitsLocales(charset, locales)) return false;
  // Some of those charsets hold ASCII: more than half of the text must be something else.
  const text = subject.body.join("\n");
  const high = text.replace(/[\0-\x7f]+/g, "").length;
  return high > 3 && text.length - high <= high;
};

const hasOddAlternative = (map: MimePart): boolean =>
  map.children.some(
    ({ leaf, type }) =>
      leaf &&
      type !== "multipart/related" &&
      type !== "application/rtf" &&
      !type.startsWith("text/"),
  );

export const MIME: Evals = {
  check_for_mime: (context, [test = ""]) => (factsOf(context).counts.get(test) ?? 0) !== 0,
  check_for_mime_html: (context) => isHtml(context.subject) || factsOf(context).htmlParts > 0,
  check_for_mime_html_only: (context) => {
    if (isHtml(context.subject)) return true;
    const { htmlParts, textParts } = factsOf(context);
    return htmlParts > 0 && textParts === 0;
  },
  /** Text by HTML, of the last parts of each. */
  check_mime_multipart_ratio: (context, [least, below]) => {
    const { multipartRatio } = factsOf(context);
    return multipartRatio >= Number(least) && multipartRatio < Number(below);
  },
  check_msg_parse_flags: ({ subject }, [flag]) => [...subject.flags].some((set) => set === flag),
  check_for_ascii_text_illegal: (context) => factsOf(context).illegalAscii > 0,
  check_abundant_unicode_ratio: (context, [least = ""]) =>
    /^\d{0,3}\.\d{1,3}\n?$/.test(least) && factsOf(context).unicodeRatio >= Number(least),
  check_for_faraway_charset: ({ subject, book }) => isFaraway(subject, book.settings.okLocales),
  check_for_uppercase: (context, [above, most]) => {
    const share = capitals(context);
    return share > Number(above) && share <= Number(most);
  },
  check_ma_non_text: ({ subject }) =>
    subject.parts.some((part) => part.type === "multipart/alternative" && hasOddAlternative(part)),
  check_base64_length: (context, [least, most]) => {
    const longest = context.memo(BASE64_LENGTH, () => longestBase64(context.subject.parts));
    return !(most !== undefined && longest > Number(most)) && longest >= Number(least);
  },
  check_qp_ratio: (context, [least]) => factsOf(context).quotedRatio >= Number(least),
};
