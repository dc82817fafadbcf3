// limits.rules: `limit login 100 messages per 1h [for PATTERN…] [defer|reject|note] ["text for the log" ["text for the sender"]]`.
// How much one login, client or sender may send in a period. For each of login, client, sender and each of messages, recipients
// the first line that matches counts. checks/limits.ts does the counting.
import type { Address } from "../mail/address.ts";
import type { RcptQuestion } from "../mail/message.ts";
import { addressList } from "./addresses.ts";
import type { RuleError } from "./errors.ts";
import { positions } from "./first-match.ts";
import type { Line, Verbs } from "./grammar.ts";
import { clientList } from "./networks.ts";
import { globTest, isGlob, isRegex, regexTest } from "./patterns.ts";
import { hint } from "./suggest.ts";

const WHO = ["login", "client", "sender"] as const;
const UNITS = ["messages", "recipients"] as const;
const OUTCOMES = ["defer", "reject", "note"] as const;

export type LimitWho = (typeof WHO)[number];
export type LimitUnit = (typeof UNITS)[number];
export type LimitOutcome = (typeof OUTCOMES)[number];

export interface LimitRule {
  readonly who: LimitWho;
  readonly unit: LimitUnit;
  /** How many in a period; Infinity = a line that exempts. */
  readonly most: number;
  readonly periodMs: number;
  /** "1h", as written. */
  readonly period: string;
  readonly outcome: LimitOutcome;
  /** The operator's text for the log, or null. */
  readonly text: string | null;
  /** The operator's text for the sender, or null. */
  readonly say: string | null;
  /** "rules/limits.rules:12". */
  readonly at: string;
}

export interface LimitList {
  /** No line at all: nothing is counted. */
  readonly empty: boolean;
  /** The lines that hold for this question, at most one per who and unit; those that exempt are left out. */
  holding(question: Pick<RcptQuestion, "client" | "login" | "sender">): readonly LimitRule[];
}

export const LIMIT_VERBS: Verbs = {
  limit: {
    words: [3, 1000],
    texts: 2,
    usage:
      'limit login|client|sender NUMBER messages|recipients per PERIOD [for PATTERN…] [defer|reject|note] ["text for the log" ["text for the sender"]]',
  },
};

const SPANS: Readonly<Record<string, number>> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };
/** Counters are kept as long as the period: 31 days. */
const MAX_PERIOD_MS = 31 * 864e5;

interface Lines {
  /** By position in the file; a line for one kind of sender is missing in the others' lists. */
  readonly rules: Map<number, LimitRule>;
  readonly add: (pattern: string, position: number) => string | null;
  readonly all: (question: Pick<RcptQuestion, "client" | "login" | "sender">) => readonly number[];
  /** Positions of lines without patterns. */
  readonly everyone: number[];
}

/** Compiles the lines, which come in effective order; errors are added to `errors`. */
export function compileLimits(lines: readonly Line[], errors: RuleError[]): LimitList {
  const byWho: Readonly<Record<LimitWho, Lines>> = {
    login: linesFor(loginList(), (q) => q.login ?? undefined),
    client: linesFor(clientList(), (q) => (q.client.address === null ? undefined : q.client)),
    sender: linesFor<Address | null>(addressList(), (q) => q.sender),
  };
  lines.forEach((line, position) => {
    const read = readLimit(line);
    const say = (message: string): void =>
      void errors.push({ file: line.file, line: line.line, message });
    if (typeof read === "string") return say(read);
    const list = byWho[read.rule.who];
    list.rules.set(position, read.rule);
    if (read.patterns === null) list.everyone.push(position);
    for (const pattern of read.patterns ?? []) {
      const wrong = list.add(pattern, position);
      if (wrong !== null) say(wrong);
    }
  });
  return {
    empty: lines.length === 0,
    holding(question) {
      const found: LimitRule[] = [];
      for (const who of WHO) firstOfEach(byWho[who], question, found);
      return found;
    },
  };
}

function firstOfEach(
  list: Lines,
  question: Pick<RcptQuestion, "client" | "login" | "sender">,
  found: LimitRule[],
): void {
  if (list.rules.size === 0) return;
  const taken = new Set<LimitUnit>();
  for (const position of list.all(question)) {
    const rule = list.rules.get(position);
    if (rule === undefined || taken.has(rule.unit)) continue;
    taken.add(rule.unit);
    if (rule.most !== Infinity) found.push(rule);
  }
}

interface PatternList<K> {
  add(pattern: string, position: number): string | null;
  all(key: K): readonly number[];
}

/**
 * `key`: what the patterns look at; undefined = the question has none of it, and no line holds. The null sender (null) is
 * everybody's, so only a line that names it holds.
 */
function linesFor<K>(
  list: PatternList<K>,
  key: (question: Pick<RcptQuestion, "client" | "login" | "sender">) => K | undefined,
): Lines {
  const everyone: number[] = [];
  return {
    rules: new Map(),
    everyone,
    add: (pattern, position) => list.add(pattern, position),
    all(question) {
      const about = key(question);
      if (about === undefined) return [];
      const matched = list.all(about);
      if (about === null) return matched;
      if (matched.length === 0) return everyone;
      return [...new Set([...matched, ...everyone])].sort((a, b) => a - b);
    },
  };
}

/** Patterns for logins, which may be names or addresses: exact, globs, regular expressions; case does not matter. */
function loginList(): PatternList<string> {
  const list = positions();
  return {
    add(pattern, position) {
      if (!isRegex(pattern) && !isGlob(pattern))
        return (list.key(pattern.toLowerCase(), position), null);
      const compiled = isRegex(pattern) ? regexTest(pattern) : globTest(pattern);
      if ("error" in compiled) return compiled.error;
      return (list.test(compiled.ok, position), null);
    },
    all(login) {
      const name = login.toLowerCase().slice(0, 512);
      return list.all([name], name);
    },
  };
}

function readLimit(
  line: Line,
): { readonly rule: LimitRule; readonly patterns: readonly string[] | null } | string {
  const [whoWord = "", number = "", unitWord = "", ...rest] = line.words;
  const who = WHO.find((known) => known === whoWord);
  if (who === undefined) return `"${whoWord}" cannot be limited${hint(whoWord, WHO)}`;
  const unit = UNITS.find((known) => known === unitWord);
  if (unit === undefined) return `"${unitWord}" cannot be counted${hint(unitWord, UNITS)}`;
  const unlimited = number === "unlimited";
  if (!unlimited && !/^[1-9]\d{0,8}$/.test(number))
    return `"${number}" is no limit: a whole number from 1 on, or unlimited`;
  const period = unlimited ? { ms: MAX_PERIOD_MS, text: "" } : periodOf(rest);
  if (typeof period === "string") return period;
  const tail = unlimited ? rest : rest.slice(2);
  const last = tail.at(-1);
  const outcome =
    tail.length === 1 || tail.length > 2 ? OUTCOMES.find((o) => o === last) : undefined;
  const before = outcome === undefined ? tail : tail.slice(0, -1);
  if (before.length > 0 && before[0] !== "for")
    return `"${before[0]}" is not expected here${hint(before[0] ?? "", ["for", ...OUTCOMES])}`;
  if (before.length === 1) return 'nothing follows "for"';
  return {
    patterns: before.length === 0 ? null : before.slice(1),
    rule: {
      who,
      unit,
      most: unlimited ? Infinity : Number(number),
      periodMs: period.ms,
      period: period.text,
      outcome: outcome ?? "defer",
      text: line.texts[0] ?? null,
      say: line.texts[1] ?? null,
      at: line.at,
    },
  };
}

function periodOf([per = "", text = ""]: readonly string[]): { ms: number; text: string } | string {
  if (per !== "per") return `"per PERIOD" is missing: ${LIMIT_VERBS["limit"]?.usage ?? ""}`;
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  const ms = match === null ? NaN : Number(match[1]) * (SPANS[match[2] ?? ""] ?? NaN);
  if (!(ms <= MAX_PERIOD_MS)) return `"${text}" is no period: 10m, 1h, 1d, at most 31d`;
  return { ms, text };
}
