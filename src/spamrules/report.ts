// The report on a message, after the template of the rule files: what spamd answers to REPORT and what goes in front of spam that is
// handed back. Texts are octets, lines end in "\n".
import { columnScore, wrapped } from "./report-text.ts";
import type { Rule, RuleBook } from "./rulebook.ts";
import type { Subject } from "./subject.ts";
import { filled, type TagFacts } from "./tags.ts";
import type { Scored } from "./verdict.ts";

export interface ReportFacts {
  readonly scored: Scored;
  readonly book: RuleBook;
  readonly subject: Subject;
  /** Rules that hit, without "__": one that counts its points again at each hit stands there as often. */
  readonly names: readonly string[];
  /** Points of a rule for one hit. */
  readonly points: (rule: string) => number;
  readonly hostname: string;
  readonly remote: { readonly name: string; readonly address: string };
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The line with which the message began in an mbox; "" without one. */
  readonly mboxLine: string;
}

/** Where the rule files bring no template. */
const TEMPLATE = `Content analysis details:   (_SCORE_ points, _REQD_ required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
_SUMMARY_
`;

export function reportOf(facts: ReportFacts): string {
  const { reportTemplate } = facts.book.settings;
  const text = filled(reportTemplate === "" ? TEMPLATE : reportTemplate, tagFacts(facts));
  let end = text.length;
  while (end > 0 && text[end - 1] === "\n") end--;
  return `${text.slice(0, end)}\n\n`;
}

/** What templates may ask for. */
export function tagFacts({
  scored,
  book,
  subject,
  names,
  points,
  hostname,
  remote,
  now,
}: ReportFacts): TagFacts {
  const { settings } = book;
  let rows: ReturnType<TagFacts["rows"]> | null = null;
  return {
    scored,
    settings,
    subject,
    names,
    points,
    forcing: names.filter((name) => isForcing(book.rules.get(name))),
    hostname,
    remote,
    now,
    rows: () => (rows ??= rowsOf(names, scored, book, points)),
    added: null,
  };
}

function isForcing(rule: Rule | undefined): boolean {
  const no = ["noautolearn", "userconf", "learn"].some((flag) => rule?.flags.has(flag));
  return rule?.flags.has("autolearn_force") === true && !no;
}

function rowsOf(
  names: readonly string[],
  { hits }: Scored,
  { rules, settings }: RuleBook,
  points: (rule: string) => number,
): ReturnType<TagFacts["rows"]> {
  const width = Number(settings.others.get("report_wrap_width")?.at(-1) ?? "75") || 75;
  const result = { summary: "", report: "" };
  const described = new Map(hits.map(({ rule, describe }) => [rule, describe]));
  for (const rule of names) {
    const describe = described.get(rule) ?? "";
    const score = columnScore(points(rule));
    const area = areaOf(rules.get(rule));
    const text = describe === "" ? "No description available." : describe;
    const behind = (columns: number, prefix: string): string =>
      wrapped(text, {
        prefix,
        first: " ".repeat(columns + rule.length + score.length + area.length),
        width,
        overflow: false,
        at: "space",
      }).replace(/^[\t-\r ]+/, "");
    result.summary += `${score} ${rule.padEnd(22)} ${area}${behind(3, " ".repeat(28))}\n`;
    result.report += `* ${score} ${rule} ${area}${behind(4, "*      ")}\n`;
  }
  return result;
}

/** What stands in front of a description: on what the rule looks. */
function areaOf(rule: Rule | undefined): string {
  const { definition } = rule ?? {};
  if (definition === undefined) return "";
  if (definition.type === "eval")
    return definition.on === "full" ? "" : (AREAS[definition.on] ?? "");
  return AREAS[definition.type] ?? "";
}

const AREAS: Readonly<Record<string, string>> = {
  body: "BODY: ",
  rawbody: "RAW: ",
  uri: "URI: ",
  full: "FULL: ",
  rbl: "DNS: ",
};
