// Judging: the checks run once per message, tier by tier, each under its own deadline; then one verdict per recipient. Changes
// nothing outside itself, so that `scan`, rule cases and the servers share it.
import type { Message, Recipient } from "../mail/message.ts";
import type { Check } from "../verdict/check.ts";
import { decide, findingsOf, type Verdict } from "../verdict/decide.ts";
import { CATEGORIES, type Category, type Finding } from "../verdict/finding.ts";
import { STOPS, type FateName, type Policy } from "../verdict/policy.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import { ask, weighed, type AskOptions } from "./ask.ts";
import { tiersOf } from "./tiers.ts";
import { worthScoring } from "./worth-scoring.ts";

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
  /** Milliseconds per check that ran, and of reading the parts ("tree"). */
  readonly timings: ReadonlyMap<string, number>;
}

export interface JudgeOptions extends AskOptions {
  /** True for a domain of ours. */
  isLocal(domain: string): boolean;
  /** The message's own deadline, or that the client has gone. */
  readonly signal: AbortSignal;
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
  const tiers = tiersOf(bench.checks);
  for (const [n, checks] of tiers.entries()) {
    const so = { findings: [...findings], signal: options.signal };
    if (checks[0]?.tier === "content") timeReading(message, timings);
    const asked = checks.filter((check) => isWorthwhile(check, seats, findings));
    const results = await Promise.all(
      asked.map((check) => ask(check, message, so, options, timings)),
    );
    for (const found of results)
      for (const finding of found) findings.push(weighed(finding, bench.rules));
    if (n === tiers.length - 1) break;
    const left = tiers.slice(n + 1).flat();
    if (seats.every((s) => settled(s, findings, left))) break;
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

/** The parts are read once and all content checks wait for them: how long that took stands beside the checks as "tree". */
function timeReading(message: Message, timings: Map<string, number>): void {
  const start = performance.now();
  message.tree().then(
    () => timings.set("tree", performance.now() - start),
    // The checks that ask for the tree say what is wrong with it.
    () => {},
  );
}

type Seat = Omit<Judged, "verdict">;

function seat(recipient: Recipient, message: Message, bench: Bench, options: JudgeOptions): Seat {
  const local = options.isLocal(recipient.address.domain);
  const { mode } = message.envelope;
  const direction = local ? "inbound" : "outbound";
  return { recipient, local, policy: bench.rules.policyOf(recipient.address, { mode, direction }) };
}

/** The scorer is asked only for a recipient whose verdict it can change. */
function isWorthwhile(
  check: Check<"message">,
  seats: readonly Seat[],
  findings: readonly Finding[],
): boolean {
  if (check.tier !== "score") return true;
  return seats.some((s) => worthScoring(s, findings) && !settled(s, findings, [check]));
}

/** True when nothing that the remaining checks may report can change this recipient's verdict. */
function settled(
  s: Seat,
  findings: readonly Finding[],
  left: readonly Check<"message">[],
): boolean {
  const verdict = decide(findingsOf(s.recipient.address.raw, findings), s.policy);
  if (!STOPS[verdict.disposition]) return false;
  if (left.some((check) => check.mayWaive === true)) return false;
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
