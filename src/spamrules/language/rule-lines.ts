// The lines that define rules: header, body, rawbody, full, uri, meta, and what plugins add: mimeheader, uri_detail, askdns. A later
// definition takes the place of an earlier one; points, flags and description of that name stay.
import type { Definition, FieldName, PerlPattern } from "../rulebook.ts";
import { evalArguments } from "./eval-arguments.ts";
import { INVALID, MISSING, complain, under } from "./draft.ts";
import type { Draft, LineReader, LineReaders } from "./draft.ts";
import { RULE_NAME, metaFault } from "./meta.ts";
import { captures, matchesAnything, perlPattern } from "./perl-pattern.ts";
import { evalNamed } from "./plugins.ts";
import { keepEarlier, refused } from "./redefined.ts";
import type { DeclaredOn } from "./plugins.ts";
import { cut, trim } from "./text.ts";

type Kind = "body" | "rawbody" | "full" | "uri";
type EvalKind = Extract<Definition, { type: "eval" }>["on"];

const MAX_NAME = 100;
/** Lists of blocked domains are written as one pattern. */
const MAX_TEXT = 1024 * 1024;
/** A line of uri_detail is searched from many places on. */
const MAX_DETAIL = 8 * 1024;
const FIELD = /^([\w.-]+(?::|(?::[a-z]+){1,2})?)[\t-\r ]*([=!]~)[\t-\r ]*(.+)$/;
const MIME_FIELD = /^([^:\t-\r ]+(?::(?:raw)?)?)[\t-\r ]*([=!]~)[\t-\r ]*(.+)$/;
const MODIFIER = /:(?!(?:raw|addr|name|host|domain|ip|revip|first|last)\b)/i;
/** Captures run before everything else (Rule.priority). */
const CAPTURE_PRIORITY = -10_000;
const DETAIL = /\b(\w+)\b[\t-\r ]*([=!]~)[\t-\r ]*((?:\/.*?\/|m(\W).*?\4)[imsx]*)(?=[\t-\r ]|$)/g;
const CODES = /^\[(?:[A-Z]+|\d+)(?:[\t-\r ]*,[\t-\r ]*(?:[A-Z]+|\d+))*\]$/i;
const NUMBER = String.raw`(?:\d{1,10}|0x[0-9a-zA-Z]{1,8}|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})`;
const NUMBERS = new RegExp(`^${NUMBER}(?:[/-]${NUMBER})?$`);
const RECORDS = new Set(
  `ANY A AAAA MX TXT PTR NAPTR NS SOA CERT CNAME DNAME DHCID HINFO MINFO RP HIP IPSECKEY KX LOC GPOS SRV OPENPGPKEY SSHFP SPF TLSA
   URI CAA CSYNC`.split(/\s+/),
);

export const RULE_LINES: LineReaders = {
  header: named((draft, name, text) => {
    const called = /^(?:rbl)?eval:(.*)$/.exec(text)?.[1];
    if (called === undefined) {
      const fault = headerTest(draft, name, text);
      if (fault !== undefined) keepEarlier(draft, name, cutIfUnset(FIELD.exec(text)?.[3] ?? "")[1]);
      return fault;
    }
    return evalTest(draft, name, called, /^check_(?:rbl|dns)/.test(called) ? "rbl" : "header");
  }),
  body: named(textTest("body")),
  rawbody: named(textTest("rawbody")),
  full: named(textTest("full")),
  uri: named((draft, name, text) => patternTest(draft, name, "uri", text)),
  meta: named((draft, name, text) => {
    if (/\*[\t-\r ]*\*/.test(text)) return '"**" is no operator here';
    const fault = metaFault(text);
    if (fault !== null) return `${name}: ${fault}`;
    return define(draft, name, { type: "meta", expression: text });
  }),
  mimeheader: named((draft, name, text) => {
    if (!RULE_NAME.test(name)) return INVALID;
    const read = MIME_FIELD.exec(text);
    if (read === null) return INVALID;
    const test = comparison(read);
    if (typeof test === "string") return test;
    return define(draft, name, { type: "mimeheader", ...test }, test.pattern);
  }),
  uri_detail: named(uriDetail),
  askdns: (draft, value) => {
    const read = /^(\S+)[\t-\r ]+(\S+)(?:[\t-\r ]+([A-Za-z0-9,]+)(?:[\t-\r ]+(.*?))?)?$/.exec(
      value,
    );
    if (read === null) return value === "" ? MISSING : INVALID;
    const [, name = "", query = "", types = "A", filter = ""] = read;
    const record = types.toUpperCase();
    if (!record.split(",").every((type) => RECORDS.has(type))) return INVALID;
    const wanted = filter === "" ? null : answerFilter(filter);
    if (wanted === undefined) return INVALID;
    return define(draft, name, { type: "askdns", query, record, filter: wanted });
  },
  // `reuse` is about results of earlier scans; here it only makes the name known, so that points and priority can be given to it.
  reuse: (draft, value) => {
    const name = /(\w+)(?:[\t-\r ]+\w+)*[\t-\r ]*$/.exec(value)?.[1];
    if (name === undefined) return INVALID;
    return draft.tests.has(name) ? undefined : define(draft, name, { type: "empty" });
  },
};

function named(read: (draft: Draft, name: string, text: string) => string | undefined): LineReader {
  return (draft, value) => {
    const [name, text] = cut(value);
    if (text === "") return name === "" ? MISSING : INVALID;
    return text.length > MAX_TEXT ? `longer than ${MAX_TEXT} octets` : read(draft, name, text);
  };
}

function textTest(kind: Kind) {
  return (draft: Draft, name: string, text: string): string | undefined => {
    if (!text.startsWith("eval:")) return patternTest(draft, name, kind, text);
    return evalTest(draft, name, text.slice("eval:".length), kind);
  };
}

function patternTest(draft: Draft, name: string, kind: Kind, text: string): string | undefined {
  const pattern = perlPattern(text);
  const fault = typeof pattern === "string" ? pattern : tooWide(draft, pattern);
  if (typeof pattern === "string" || fault !== null) return `${name}: ${fault}`;
  return define(draft, name, { type: kind, pattern }, pattern);
}

function headerTest(draft: Draft, name: string, text: string): string | undefined {
  if (text.startsWith("exists:")) {
    const field = text.slice("exists:".length);
    if (!/^[\w.-]+:?$/.test(field)) return `${name}: "${field}" is no field`;
    return define(draft, name, { type: "exists", field: fieldName(field) });
  }
  const read = FIELD.exec(text);
  if (read === null) return `${name}: neither exists: nor eval: nor FIELD =~ /PATTERN/`;
  if (MODIFIER.test((read[1] ?? "").replace(/:$/, ""))) return `${name}: unknown modifier`;
  const test = comparison(read);
  const fault = typeof test === "string" ? test : tooWide(draft, test.pattern);
  if (typeof test === "string" || fault !== null) return `${name}: ${fault}`;
  return define(draft, name, { type: "header", ...test }, test.pattern);
}

/** Only where the files have asked for it by then; mimeheader and the like are never looked at so. */
function tooWide(draft: Draft, pattern: PerlPattern): string | null {
  const wanted = Number(draft.others.get("ignore_always_matching_regexps")?.at(-1) ?? 0) !== 0;
  return wanted ? matchesAnything(pattern) : null;
}

function comparison(read: RegExpExecArray) {
  const [, field = "", operator = "", rest = ""] = read;
  const [written, ifUnset] = cutIfUnset(rest);
  const pattern = perlPattern(written);
  if (typeof pattern === "string") return pattern;
  return {
    field: fieldName(field),
    negated: operator === "!~",
    ifUnset,
    pattern,
  };
}

/** `PATTERN [if-unset: TEXT]`: the pattern, and the text or null. */
function cutIfUnset(text: string): [pattern: string, ifUnset: string | null] {
  const mark = "[if-unset:";
  if (!text.endsWith("]")) return [text, null];
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) {
    const value = trim(text.slice(at + mark.length, -1));
    const apart =
      /[\t-\r ]/.test(text[at - 1] ?? "") && /[\t-\r ]/.test(text[at + mark.length] ?? "");
    if (apart && value !== "")
      return [trim(text.slice(0, at)), text.slice(at + mark.length, -1).replace(/^[\t-\r ]+/, "")];
  }
  return [text, null];
}

function fieldName(text: string): FieldName {
  const [name = "", ...modifiers] = text.replace(/:$/, "").split(":");
  return { name, modifiers: modifiers.map((modifier) => modifier.toLowerCase()) };
}

function evalTest(draft: Draft, name: string, text: string, on: EvalKind): string | undefined {
  const read = /^(\w+)\((.*)\)$/.exec(text);
  if (read === null) return INVALID;
  const [, called = "", inner = ""] = read;
  const fault = evalFault(draft, called, on);
  const args = fault === null ? evalArguments(inner) : null;
  if (args === null) complain(draft, `${name}: ${fault ?? "arguments are not understood"}`);
  return define(
    draft,
    name,
    args === null ? { type: "empty" } : { type: "eval", on, function: called, args },
  );
}

function evalFault(draft: Draft, called: string, on: EvalKind): string | null {
  const known = evalNamed(called);
  if (known === null) return `no plugin of SpamAssassin knows ${called}`;
  if (!draft.plugins.has(known.plugin)) return `${called} needs ${known.plugin}, not loaded`;
  if (fits(known.on, on)) return null;
  return `${called} must be declared by "${known.on === "rbl" ? "header" : known.on}"`;
}

function fits(wanted: DeclaredOn, on: EvalKind): boolean {
  return wanted === "any" || wanted === on || (wanted === "body" && on === "rawbody");
}

function uriDetail(draft: Draft, name: string, text: string): string | undefined {
  if (text.length > MAX_DETAIL) return `longer than ${MAX_DETAIL} octets`;
  let some = false;
  for (const [, key = "", operator, written = ""] of text.matchAll(DETAIL)) {
    if (!/^(?:raw|type|cleaned|text|domain|host)$/.test(key)) return INVALID;
    const pattern = perlPattern(written);
    if (typeof pattern === "string") return `${name}: ${pattern}`;
    under(draft.uriDetails, name, () => new Map()).set(key, {
      negated: operator === "!~",
      pattern,
    });
    some = true;
  }
  if (!some) return INVALID;
  const tests = [...(draft.uriDetails.get(name) ?? [])].map(([key, test]) => ({ key, ...test }));
  return define(draft, name, { type: "uri_detail", tests });
}

/** A pattern, or one of the other forms that a filter of answers may have, as it stands; undefined: none of them. */
function answerFilter(text: string): PerlPattern | string | undefined {
  const form = trim(text);
  if (/^\/.+\/[a-z]*$/s.test(form) || /^m\W.+\W[a-z]*$/s.test(form)) {
    const pattern = perlPattern(form);
    return typeof pattern === "string" ? undefined : pattern;
  }
  const fits = /^(["']).*\1$/s.test(form) || CODES.test(form) || NUMBERS.test(form);
  return fits ? form : undefined;
}

/** Puts a definition in place. Names that no rule may have are refused. */
function define(
  draft: Draft,
  name: string,
  definition: Definition,
  pattern?: PerlPattern,
): string | undefined {
  if (!RULE_NAME.test(name)) return `"${name}" is no name for a rule`;
  if (name.length > MAX_NAME) return `"${name}" is longer than ${MAX_NAME} characters`;
  const fault = pattern === undefined ? null : refused(draft, name, pattern);
  if (fault !== null) return `${name}: ${fault}, so the earlier definition stays`;
  if (pattern !== undefined && captures(pattern)) draft.priorities.set(name, CAPTURE_PRIORITY);
  draft.tests.set(name, { definition, place: draft.place });
  return undefined;
}
