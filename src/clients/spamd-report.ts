// The rules that a message met, out of a spamd report. A stock report ends in a table with scores to a tenth; one line of
// deploy/spamassassin/postern.cf below it gives exact ones. What stands before the table is text of the message: never read.

export interface SpamdRule {
  readonly name: string;
  readonly score: number;
}

export interface ReportRules {
  /** Sorted by name, each name once. */
  readonly rules: readonly SpamdRule[];
  /** True when the scores are as SpamAssassin has them, false when they are rounded to a tenth. */
  readonly exact: boolean;
  /** "autolearn=no autolearn_force=no"; null when the report does not say. */
  readonly autolearn: string | null;
}

/** More rules than this are not told apart: the total counts them all the same. */
const MAX_RULES = 500;

const NAME = "[A-Za-z][A-Za-z0-9_]{0,127}";
const SCORE = "-?\\d{1,7}(?:\\.\\d{1,6})?";
const EXACT_LINE = new RegExp(
  `^tests=\\[(none|${NAME}=${SCORE}(?:,${NAME}=${SCORE})*)\\](?: (autolearn=[a-z]{1,20}(?: autolearn_force=[a-z]{1,20})?))?$`,
);
/** Under the table's head; its columns are as wide in every language that SpamAssassin comes with. */
const RULER = /^ ?---- -{20,24} -{40,52}$/;
const ROW = new RegExp(`^ {0,3}(${SCORE}) (${NAME})(?: |$)`);

/** The rules of a report; none when it has neither the line nor the table. Never throws, linear. */
export function rulesOf(report: string): ReportRules {
  const lines = report.split(/\r?\n/);
  let last = lines.length - 1;
  while (last >= 0 && lines[last]?.trim() === "") last--;
  const exact = EXACT_LINE.exec(lines[last] ?? "");
  if (exact !== null) {
    const rules = exact[1] === "none" ? [] : (exact[1] ?? "").split(",").map(pair);
    return { rules: sorted(rules), exact: true, autolearn: exact[2] ?? null };
  }
  let at = last;
  while (at >= 0 && !RULER.test(lines[at] ?? "")) at--;
  return { rules: at < 0 ? [] : sorted(rowsBelow(lines, at)), exact: false, autolearn: null };
}

function pair(text: string): SpamdRule {
  const [name = "", score = ""] = text.split("=");
  return { name, score: Number(score) };
}

/** The rows up to the first empty line; what is no row carries on the description of the one above. */
function rowsBelow(lines: readonly string[], ruler: number): SpamdRule[] {
  const rules: SpamdRule[] = [];
  for (let at = ruler + 1; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.trim() === "") break;
    const row = ROW.exec(line);
    if (row !== null) rules.push({ name: row[2] ?? "", score: Number(row[1]) });
  }
  return rules;
}

function sorted(rules: readonly SpamdRule[]): readonly SpamdRule[] {
  const named = new Map<string, SpamdRule>();
  for (const rule of rules) if (!named.has(rule.name)) named.set(rule.name, rule);
  return [...named.values()]
    .slice(0, MAX_RULES)
    .map(({ name, score }) => ({ name, score: score + 0 }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
