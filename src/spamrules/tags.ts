// _TAGS_ in templates of reports and header fields, as SpamAssassin fills them in. Texts are octets. Used by report.ts and rewrite.ts.
import type { Settings } from "./rulebook.ts";
import type { Subject } from "./subject.ts";
import { dateText, previewOf, shownScore, tenth } from "./report-text.ts";
import type { Scored } from "./verdict.ts";

export interface TagFacts {
  readonly scored: Scored;
  readonly settings: Settings;
  readonly subject: Subject;
  /** Rules that hit, without "__": one that counts its points again at each hit stands there as often. */
  readonly names: readonly string[];
  /** Points of a rule for one hit. */
  readonly points: (rule: string) => number;
  /** Those of `names` that are sure enough alone to teach Bayes. */
  readonly forcing: readonly string[];
  readonly hostname: string;
  readonly remote: { readonly name: string; readonly address: string };
  readonly now: number;
  /** _SUMMARY_ and _REPORT_. */
  readonly rows: () => { readonly summary: string; readonly report: string };
  /** _ADDEDHEADER…_: null within a header field. */
  readonly added: ((which: "spam" | "ham") => string) | null;
}

/** The version that rules and readers of our header fields may expect. */
export const VERSION = "4.0.1";
const RELEASED = "2024-03-25";
const TAG = /_([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\(.*?\))?)_/g;
const MAX_RESULT = 256 * 1024;

/** A tag that nobody knows stays as it is. */
export function filled(template: string, facts: TagFacts): string {
  return template
    .replace(TAG, (whole, written: string) => {
      const at = written.indexOf("(");
      const name = at < 0 ? written : written.slice(0, at);
      const argument = at < 0 ? null : written.slice(at + 1, -1);
      return valueOf(name, argument, facts) ?? whole;
    })
    .slice(0, MAX_RESULT);
}

/** null: the tag is not known this time. */
type Value = (facts: TagFacts, argument: string | null) => string | null;

const isSpam = ({ scored: { total, required } }: TagFacts): boolean => total >= required;
const subrules = ({ scored: { hits } }: TagFacts): string[] =>
  hits
    .map(({ rule }) => rule)
    .filter((rule) => rule.startsWith("__"))
    .sort();
const listed = (list: readonly string[], argument: string | null): string =>
  list.join(argument === null || argument === "" ? "," : argument) || "none";

function yesNo(facts: TagFacts, argument: string | null): string {
  const at = argument?.indexOf(",") ?? -1;
  if (argument === null) return isSpam(facts) ? "Yes" : "No";
  if (isSpam(facts)) return at < 0 ? argument : argument.slice(0, at);
  return at < 0 ? "No" : argument.slice(at + 1);
}

function paddedScore({ scored }: TagFacts, pad: string | null): string {
  const score = shownScore(scored.total, scored.required);
  const missing = (pad?.length ?? 0) + 3 - score.length;
  if (pad === null || !/^(?:0+| +)$/.test(pad) || missing <= 0) return score;
  return pad.slice(0, missing) + score;
}

/** QUIRK: where it was asked whether to learn, SpamAssassin puts a second answer behind the first. */
function autolearnOf({ scored: { autolearn }, forcing }: TagFacts): string {
  if (autolearn === "disabled" || autolearn === "unavailable") return autolearn;
  if (autolearn === "no" || forcing.length === 0) return `${autolearn} autolearn_force=no`;
  return `${autolearn} autolearn_force=yes (${forcing.join(",")})`;
}

const VALUES: Readonly<Record<string, Value>> = {
  YESNO: yesNo,
  YESNOCAPS: (facts, argument) => yesNo(facts, argument).toUpperCase(),
  SCORE: paddedScore,
  HITS: paddedScore,
  REQD: ({ scored }) => tenth(scored.required),
  VERSION: () => VERSION,
  SUBVERSION: () => RELEASED,
  RULESVERSION: () => "",
  HOSTNAME: ({ settings, hostname }) => settings.others.get("report_hostname")?.at(-1) || hostname,
  LANGUAGES: ({ subject }) => subject.languages?.names.join(" ") ?? null,
  TEXTCATRESULTS: ({ subject }) => subject.languages?.results ?? null,
  REMOTEHOSTNAME: ({ remote }) => remote.name,
  REMOTEHOSTADDR: ({ remote }) => remote.address,
  FIRSTTRUSTEDIP: ({ subject }) => subject.relays.trusted.at(-1)?.ip ?? "",
  LASTEXTERNALIP: ({ subject }) => subject.relays.external[0]?.ip ?? "",
  LASTEXTERNALRDNS: ({ subject }) => subject.relays.external[0]?.rdns ?? "",
  LASTEXTERNALHELO: ({ subject }) => subject.relays.external[0]?.helo ?? "",
  CONTACTADDRESS: ({ settings }) => contactOf(settings),
  BAYES: ({ scored: { bayes } }) => (bayes === null ? "0.5" : bayes.toFixed(4)),
  DATE: ({ now }) => dateText(now),
  STARS: ({ scored: { total } }, argument) =>
    (argument === null || argument === "" ? "*" : argument).repeat(
      Math.max(0, Math.min(50, Math.trunc(total))),
    ),
  AUTOLEARN: autolearnOf,
  TESTS: (facts, argument) => listed([...facts.names].sort(), argument),
  SUBTESTS: (facts, argument) => listed(subrules(facts), argument),
  TESTSSCORES: (facts, argument) =>
    listed(
      [...facts.names].sort().map((rule) => `${rule}=${facts.points(rule)}`),
      argument,
    ),
  PREVIEW: ({ subject }) => previewOf(subject.body),
  SUMMARY: ({ rows }) => rows().summary,
  REPORT: ({ rows }) => `\n${rows().report}`,
  SUBJPREFIX: ({ scored, settings }) => prefixOf(scored, settings),
  HEADER: ({ subject }, argument) => (argument === null ? "" : fieldText(subject, argument)),
  ADDEDHEADERHAM: ({ added }) => added?.("ham") ?? "_ADDEDHEADERHAM_",
  ADDEDHEADERSPAM: ({ added }) => added?.("spam") ?? "_ADDEDHEADERSPAM_",
  ADDEDHEADER: (facts) => facts.added?.(isSpam(facts) ? "spam" : "ham") ?? "_ADDEDHEADER_",
};

function valueOf(name: string, argument: string | null, facts: TagFacts): string | null {
  const known = Object.hasOwn(VALUES, name) ? VALUES[name] : undefined;
  return known?.(facts, argument) ?? facts.scored.tags.get(name) ?? null;
}

/** What _HEADER(NAME)_ stands for: of addresses, names, hosts and the like only the first. */
export function fieldText(subject: Subject, name: string): string {
  const found = subject.getAll(name);
  if (!/:(?:addr|name|host|domain|ip|revip)\b/.test(name) && name !== "EnvelopeFrom")
    return found.join("");
  return (found[0] ?? "").replace(/\n$/, "");
}

/** QUIRK: Debian's files leave a placeholder of their build there, which stands in its reports too. */
function contactOf({ others }: Settings): string {
  return others.get("report_contact")?.at(-1) ?? "the administrator of that system";
}

/** What `subjprefix` lines of the rules that hit put in front of the subject, each with a blank behind it. */
export function prefixOf({ hits }: Scored, { subjectPrefixes, rewriteHeader }: Settings): string {
  if (!rewriteHeader.has("subject")) return "";
  let prefix = "";
  for (const { rule } of hits) {
    const own = subjectPrefixes.get(rule);
    if (own !== undefined && !prefix.includes(own)) prefix += `${own} `;
  }
  return prefix;
}
