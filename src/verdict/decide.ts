// From findings to a verdict for one recipient: pure, and independent of the order of the findings. The categories are
// walked from the gravest; the first whose fate stops the message decides (amavis' rule, our gravity).
import type { Category, Finding } from "./finding.ts";
import type { Disposition, Fate, FateName, Notice, Policy } from "./policy.ts";
import { STOPS } from "./policy.ts";

export interface Verdict {
  readonly disposition: Disposition;
  /** Keep a copy, whatever the client hears. */
  readonly quarantine: boolean;
  /** Folder for a message that goes on, or null. */
  readonly folder: string | null;
  readonly notices: readonly Notice[];
  /** What is present, gravest first; empty = clean. */
  readonly categories: readonly FateName[];
  /** The category that decided: the stopping one, else the gravest present, else "clean". */
  readonly category: FateName | "clean";
  /** Sum of the points that count for this recipient, rounded to thousandths. */
  readonly score: number;
  /** The finding that decided; null for a clean message. */
  readonly because: Finding | null;
  /** Rule line of the fate that decided, "rules/policy.rules:12"; null for a clean message. */
  readonly rule: string | null;
  /** The findings that count for this recipient, sorted. */
  readonly findings: readonly Finding[];
}

/** Symbols of a passed sender authentication; with one of them and without BULK the condition "auth" holds. */
export const AUTH_SYMBOLS: ReadonlySet<string> = new Set(["SPF_PASS", "DKIM_PASS"]);
/** The note that says that the message comes from a list or an automaton. */
export const BULK_SYMBOL = "BULK";

/** Gravest first, as CATEGORIES, with spam split by level. */
const GRAVITY: readonly FateName[] = [
  "virus",
  "banned",
  "listed",
  "unchecked",
  "greylisted",
  "spam",
  "spammy",
  "malformed",
];

/** The verdict for the recipient whose policy and findings (already filtered with `findingsOf`) are given. */
export function decide(findings: readonly Finding[], policy: Policy): Verdict {
  const sorted = findings.length > 1 ? [...findings].sort(byText) : findings;
  const score = sum(sorted);
  const present = presentIn(sorted, score, policy);
  if (present.length === 0) return clean(score, sorted);

  const auth = authenticated(sorted);
  let stop: Step | null = null;
  let tag: Step | null = null;
  let folder: string | null = null;
  let quarantine = false;
  const notices = new Set<Notice>();
  for (const name of present) {
    for (const step of stepsOf(name, sorted, policy, auth)) {
      quarantine ||= step.fate.quarantine;
      if (stop !== null) continue;
      if (STOPS[step.fate.disposition]) {
        stop = step;
        for (const notice of step.fate.notices) notices.add(notice);
      } else {
        folder ??= step.fate.folder;
        if (step.fate.disposition === "tag") tag ??= step;
      }
    }
  }
  const decisive = stop ?? tag;
  const category = decisive?.name ?? present[0] ?? "clean";
  return {
    disposition: decisive?.fate.disposition ?? "accept",
    quarantine,
    folder: stop === null ? folder : null,
    notices: [...notices].sort(),
    categories: present,
    category,
    score,
    because: decisive?.finding ?? firstOf(category, sorted),
    rule: decisive?.fate.rule ?? null,
    findings: sorted,
  };
}

/** The findings that hold for one recipient (by its raw address), without those that an allow line waives. */
export function findingsOf(recipient: string, findings: readonly Finding[]): readonly Finding[] {
  let waived: Set<Category> | null = null;
  let others = false;
  for (const finding of findings) {
    if (finding.recipient !== undefined && finding.recipient.raw !== recipient) others = true;
    else if (finding.waives !== undefined) {
      waived ??= new Set();
      for (const category of finding.waives) waived.add(category);
    }
  }
  if (!others && waived === null) return findings;
  return findings.filter(
    (finding) =>
      (finding.recipient === undefined || finding.recipient.raw === recipient) &&
      !(waived?.has(finding.category) ?? false),
  );
}

interface Step {
  readonly name: FateName;
  readonly fate: Fate;
  readonly finding: Finding | null;
}

/** The fates that hold for one present category: one, but for `unchecked` one per check that could not answer. */
function stepsOf(
  name: FateName,
  findings: readonly Finding[],
  policy: Policy,
  auth: boolean,
): Step[] {
  if (name !== "unchecked") {
    const fate = holding(policy.fates[name], auth);
    return fate === null ? [] : [{ name, fate, finding: firstOf(name, findings) }];
  }
  const steps: Step[] = [];
  for (const finding of findings) {
    if (finding.category !== "unchecked") continue;
    const fate = holding(policy.unchecked.get(finding.check) ?? policy.fates.unchecked, auth);
    if (fate !== null) steps.push({ name, fate, finding });
  }
  return steps;
}

function holding(fates: readonly Fate[], auth: boolean): Fate | null {
  return fates.find((fate) => fate.onlyIf === null || auth) ?? null;
}

function authenticated(findings: readonly Finding[]): boolean {
  return (
    findings.some(({ symbol, foreign }) => foreign === undefined && AUTH_SYMBOLS.has(symbol)) &&
    !findings.some(({ symbol, foreign }) => foreign === undefined && symbol === BULK_SYMBOL)
  );
}

function presentIn(findings: readonly Finding[], score: number, policy: Policy): FateName[] {
  const seen = new Set<string>();
  for (const finding of findings) {
    if (finding.category !== "spam" && finding.category !== "note") seen.add(finding.category);
  }
  if (score >= policy.killLevel) seen.add("spam");
  else if (score >= policy.tag2Level) seen.add("spammy");
  return seen.size === 0 ? [] : GRAVITY.filter((name) => seen.has(name));
}

function firstOf(name: FateName | "clean", findings: readonly Finding[]): Finding | null {
  if (name === "clean") return null;
  if (name !== "spam" && name !== "spammy") {
    return findings.find((finding) => finding.category === name) ?? null;
  }
  // The weightiest contribution names a spam verdict.
  let best: Finding | null = null;
  for (const finding of findings) if (best === null || finding.score > best.score) best = finding;
  return best;
}

/** Sorted before it is summed, and rounded: floating sums depend on the order otherwise. */
function sum(sorted: readonly Finding[]): number {
  let total = 0;
  for (const finding of sorted) total += finding.score;
  return Math.round(total * 1000) / 1000 + 0;
}

function byText(a: Finding, b: Finding): number {
  return (
    compare(a.symbol, b.symbol) ||
    compare(a.check, b.check) ||
    a.score - b.score ||
    compare(a.detail, b.detail) ||
    compare(a.category, b.category)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function clean(score: number, findings: readonly Finding[]): Verdict {
  return {
    disposition: "accept",
    quarantine: false,
    folder: null,
    notices: [],
    categories: [],
    category: "clean",
    score,
    because: null,
    rule: null,
    findings,
  };
}
