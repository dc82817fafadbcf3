// Judging: the checks run once per message, tier by tier, each under its own deadline; then one verdict per recipient. Changes
// nothing outside itself, so that `scan`, rule cases and the servers share it.
import type { Message, Recipient } from "../mail/message.ts";
import type { Check } from "../verdict/check.ts";
import { TIERS } from "../verdict/check.ts";
import { decide, findingsOf, type Verdict } from "../verdict/decide.ts";
import { CATEGORIES, type Category, type Finding } from "../verdict/finding.ts";
import { STOPS, type FateName, type Policy } from "../verdict/policy.ts";
import type { RuleSet } from "../ruleset/compile.ts";

/** One snapshot of the rules and the checks compiled from it; pinned for the life of a message. */
export interface Bench {
  readonly rules: RuleSet;
  readonly checks: readonly Check<"message">[];
}

export interface Judged {
  readonly recipient: Recipient;
  readonly policy: Policy;
  readonly verdict: Verdict;
  /** True when the recipient is in our domains. */
  readonly local: boolean;
}

export interface Judgement {
  readonly findings: readonly Finding[];
  /** One entry per RCPT, in order. */
  readonly judged: readonly Judged[];
  /** Milliseconds per check that ran, in order. */
  readonly timings: ReadonlyMap<string, number>;
}

export interface JudgeOptions {
  /** True for a domain of ours. */
  isLocal(domain: string): boolean;
  readonly checkDeadlineMs: number;
  /** The message's own deadline, or that the client has gone. */
  readonly signal: AbortSignal;
  /** Told about each check: how long, and why it could not answer. */
  onCheck?(name: string, ms: number, failed: "deadline" | "error" | null, error?: unknown): void;
}

/** Never rejects: a check that throws or is late leaves UNCHECKED_<CHECK>. */
export async function judge(
  message: Message,
  bench: Bench,
  options: JudgeOptions,
): Promise<Judgement> {
  const seats = message.envelope.recipients.map((recipient) =>
    seat(recipient, message, bench, options),
  );
  const findings: Finding[] = [];
  const timings = new Map<string, number>();
  for (const tier of TIERS) {
    const checks = bench.checks.filter((check) => check.tier === tier);
    if (checks.length === 0) continue;
    const so = { findings: [...findings], signal: options.signal };
    const results = await Promise.all(
      checks.map((check) => ask(check, message, so, options, timings)),
    );
    for (const found of results)
      for (const finding of found) findings.push(weighed(finding, bench.rules));
    if (tier === TIERS.at(-1)) break;
    const left = bench.checks.filter((check) => TIERS.indexOf(check.tier) > TIERS.indexOf(tier));
    if (left.length > 0 && seats.every((s) => settled(s, findings, left))) break;
  }
  return {
    findings,
    judged: seats.map((s) => ({
      ...s,
      verdict: decide(findingsOf(s.recipient.address.raw, findings), s.policy),
    })),
    timings,
  };
}

type Seat = Omit<Judged, "verdict">;

function seat(recipient: Recipient, message: Message, bench: Bench, options: JudgeOptions): Seat {
  const local = options.isLocal(recipient.address.domain);
  const { mode } = message.envelope;
  const direction = local ? "inbound" : "outbound";
  return { recipient, local, policy: bench.rules.policyOf(recipient.address, { mode, direction }) };
}

/** The operator's score for the symbol takes the place of the check's own. */
function weighed(finding: Finding, rules: RuleSet): Finding {
  const score = rules.scoreOf(finding.symbol);
  return score === undefined || score === finding.score ? finding : { ...finding, score };
}

async function ask(
  check: Check<"message">,
  message: Message,
  so: { findings: readonly Finding[]; signal: AbortSignal },
  options: JudgeOptions,
  timings: Map<string, number>,
): Promise<readonly Finding[]> {
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, options.checkDeadlineMs, "late");
  });
  let failed: "deadline" | "error" | null = null;
  let error: unknown;
  let findings: readonly Finding[];
  try {
    const answer = await Promise.race([check.run(message, so), late]);
    if (answer === "late") failed = "deadline";
    findings = answer === "late" ? [unchecked(check.name, "deadline")] : answer;
  } catch (caught) {
    // The one place where a failed check is caught: it becomes a finding that policy decides about.
    failed = "error";
    error = caught;
    findings = [unchecked(check.name, caught instanceof Error ? caught.message : "error")];
  } finally {
    clearTimeout(timer);
  }
  const ms = performance.now() - start;
  timings.set(check.name, ms);
  options.onCheck?.(check.name, ms, failed, error);
  return findings;
}

function unchecked(name: string, detail: string): Finding {
  return {
    check: name,
    symbol: `UNCHECKED_${name.toUpperCase()}`,
    category: "unchecked",
    score: 0,
    detail,
  };
}

/** True when nothing that the remaining checks may report can change this recipient's verdict. */
function settled(
  s: Seat,
  findings: readonly Finding[],
  left: readonly Check<"message">[],
): boolean {
  const verdict = decide(findingsOf(s.recipient.address.raw, findings), s.policy);
  if (!STOPS[verdict.disposition]) return false;
  const possible = new Set<Category>(["unchecked"]);
  for (const check of left) for (const symbol of check.symbols) possible.add(symbol.category);
  const gravity = (name: FateName | "clean"): number =>
    CATEGORIES.indexOf(name === "spammy" ? "spam" : name === "clean" ? "note" : name);
  const mine = gravity(verdict.category);
  for (const category of possible) {
    if (category === "note") continue;
    if (CATEGORIES.indexOf(category) < mine) return false;
    if (verdict.quarantine) continue;
    const names: readonly FateName[] = category === "spam" ? ["spam", "spammy"] : [category];
    if (names.some((name) => s.policy.fates[name].some((fate) => fate.quarantine))) return false;
  }
  return true;
}
