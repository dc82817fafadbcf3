// The story of a policy request, read top to bottom: what is asked, is the recipient ours and there, what do the checks of that
// recipe say, what does the recipient's policy make of it. servers/policy.ts calls it; the message itself comes later, if at all.
import type { RcptChecks } from "../checks/index.ts";
import type { Address } from "../mail/address.ts";
import type { Networks } from "../mail/ip.ts";
import type { RcptQuestion } from "../mail/message.ts";
import { DUNNO, type PolicyAction, type PolicyRequest } from "../mail/policy-request.ts";
import type { Reply } from "../mail/reply.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Log } from "../sys/log.ts";
import { clearDeadline, deadline, type Deadline } from "../sys/deadlines.ts";
import type { Metrics } from "../sys/metrics.ts";
import type { Check, SoFar } from "../verdict/check.ts";
import { decide, findingsOf } from "../verdict/decide.ts";
import type { Finding } from "../verdict/finding.ts";
import type { Policy } from "../verdict/policy.ts";
import { ask, weighed, type AskOptions } from "./ask.ts";
import { hints, type Hints } from "./hints.ts";
import {
  goAction,
  limitAction,
  PASS,
  refusal,
  stopAction,
  UNAVAILABLE,
  type Decided,
} from "./policy-action.ts";
import { questionOf } from "./rcpt-question.ts";
import { tiersOf } from "./tiers.ts";

/** One snapshot of the rules and the rcpt checks compiled from it; pinned for one request. */
export interface RcptBench {
  readonly rules: RuleSet;
  readonly checks: RcptChecks;
}

export interface AnswerRcptMeans {
  /** The rules in force; asked once per request. */
  bench(): RcptBench;
  /** Our own users. */
  readonly internal: Networks;
  /** Hosts that only pass mail on: they are not its client. */
  readonly relays: Networks;
  /** True for a domain of ours. */
  isLocal(domain: string): boolean;
  /** Whether the delivery agent takes this recipient; null when it does not know the users of that domain. */
  recipient(address: Address, size: number): Promise<Reply> | null;
  /** Milliseconds for one request, and the answer when they or a check did not suffice. */
  readonly budgetMs: number;
  readonly onFail: "dunno" | "defer";
  readonly onCheck: NonNullable<AskOptions["onCheck"]>;
  /** Told when a login, client or sender passed its limit. */
  limitPassed(finding: Finding, question: RcptQuestion): void;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Answers requests; never rejects, and never takes longer than the budget. */
export function rcptAnswers(
  means: AnswerRcptMeans,
): (request: PolicyRequest) => Promise<PolicyAction> {
  const once = hints();
  return async (request) => {
    const start = performance.now();
    const question = questionOf(request, means.internal);
    const decided = await withinBudget(means, () => answer(question, means, once, start));
    record(question, decided, performance.now() - start, means);
    return decided.action;
  };
}

/** Part of the budget that the checks have: what remains is for us to put the answer together. */
const FOR_CHECKS = 0.9;
/** Part of what is left that one tier has when another one follows: a silent resolver must not eat the store's time. */
const FOR_TIER = 0.75;
/** Checks are told to end this long before they count as late, so that they report what they have. */
const LAST_WORD_MS = 500;

async function answer(
  question: RcptQuestion,
  means: AnswerRcptMeans,
  once: Hints,
  start: number,
): Promise<Decided> {
  const bench = means.bench();
  const checks = recipe(question, bench, means);
  const { recipient } = question;
  if (recipient !== null && question.state === "RCPT" && question.context !== "submission") {
    const known = means.recipient(recipient, question.size);
    const refused = known === null ? null : refusal(await known);
    if (refused !== null) return refused;
  }
  const policy = recipient === null ? null : policyFor(recipient, bench, means);
  const end = start + means.budgetMs * FOR_CHECKS;
  const findings: Finding[] = [];
  const tiers = tiersOf(checks);
  for (const tier of tiers) {
    const left = Math.max(1, end - performance.now());
    const timeMs = tier === tiers.at(-1) ? left : left * FOR_TIER;
    for (const finding of await askTier(tier, question, findings, timeMs, means))
      findings.push(weighed(finding, bench.rules));
    const stopped = stop(findings, recipient, policy);
    if (stopped !== null) return (tellLimits(findings, question, means), stopped);
  }
  tellLimits(findings, question, means);
  const mine = recipient === null ? findings : findingsOf(recipient.raw, findings);
  const hint = question.origin === "inbound" ? once.next(question.instance, mine) : null;
  return goAction(mine, hint, means.onFail);
}

async function askTier(
  tier: readonly Check<"rcpt">[],
  question: RcptQuestion,
  earlier: readonly Finding[],
  timeMs: number,
  { onCheck }: AnswerRcptMeans,
): Promise<readonly Finding[]> {
  const so = new TierSoFar([...earlier], Math.max(timeMs / 2, timeMs - LAST_WORD_MS));
  const options = { checkDeadlineMs: timeMs, onCheck };
  const [only] = tier;
  try {
    if (tier.length === 1 && only !== undefined)
      return await ask(only, question, so, options, null);
    const asked = tier.map((check) => ask(check, question, so, options, null));
    return (await Promise.all(asked)).flat();
  } finally {
    so.end();
  }
}

/** What a tier is told. The signal exists from when somebody looks at it: most requests wait for nothing that needs one. */
class TierSoFar implements SoFar {
  readonly findings: readonly Finding[];
  readonly #abortAfterMs: number;
  #controller: AbortController | null = null;
  #deadline: Deadline | null = null;

  constructor(findings: readonly Finding[], abortAfterMs: number) {
    this.findings = findings;
    this.#abortAfterMs = abortAfterMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      const controller = new AbortController();
      this.#controller = controller;
      this.#deadline = deadline(this.#abortAfterMs, () => controller.abort());
    }
    return this.#controller.signal;
  }

  end(): void {
    if (this.#deadline !== null) clearDeadline(this.#deadline);
  }
}

const NONE: readonly Check<"rcpt">[] = [];

/**
 * Which checks are asked. Before RCPT none: whoever refuses there refuses mail to postmaster too. At DATA and
 * END-OF-MESSAGE with several recipients only how much is sent: what is right for one is not for all.
 */
function recipe(
  question: RcptQuestion,
  { checks }: RcptBench,
  { relays }: AnswerRcptMeans,
): readonly Check<"rcpt">[] {
  const { state, context, recipient, origin, client } = question;
  if (state !== "RCPT" && state !== "DATA" && state !== "END-OF-MESSAGE") return NONE;
  if (context === "submission" || recipient === null) return checks.submission;
  return origin === "outbound" || relays.has(client.address) ? checks.own : checks.inbound;
}

function policyFor(recipient: Address, { rules }: RcptBench, means: AnswerRcptMeans): Policy {
  const direction = means.isLocal(recipient.domain) ? "inbound" : "outbound";
  return rules.policyOf(recipient, { mode: "before-queue", direction });
}

function stop(
  findings: readonly Finding[],
  recipient: Address | null,
  policy: Policy | null,
): Decided | null {
  if (findings.length === 0) return null;
  const limited = limitAction(findings);
  if (limited !== null || recipient === null || policy === null) return limited;
  return stopAction(decide(findingsOf(recipient.raw, findings), policy));
}

function tellLimits(
  findings: readonly Finding[],
  question: RcptQuestion,
  means: AnswerRcptMeans,
): void {
  for (const finding of findings)
    if (finding.check === "limits" && finding.category === "note")
      means.limitPassed(finding, question);
}

/** Runs it under the budget; whatever fails or is late is the configured outcome, and is logged. */
function withinBudget(
  { budgetMs, onFail, log }: AnswerRcptMeans,
  run: () => Promise<Decided>,
): Promise<Decided> {
  return new Promise((resolve) => {
    let over = false;
    const end = (decided: Decided | null, why: string): void => {
      if (over) return;
      over = true;
      clearDeadline(budget);
      if (decided !== null) return resolve(decided);
      log.warn(`policy: a request could not be answered: ${why}`);
      resolve({ action: onFail === "defer" ? UNAVAILABLE : DUNNO, reason: why, logged: true });
    };
    const budget = deadline(budgetMs, () => end(null, `no answer within ${budgetMs} ms`));
    run().then(
      (decided) => end(decided, ""),
      (error: unknown) => end(null, error instanceof Error ? error.message : String(error)),
    );
  });
}

const STATES: ReadonlySet<string> = new Set([
  "CONNECT",
  "EHLO",
  "HELO",
  "MAIL",
  "RCPT",
  "DATA",
  "END-OF-MESSAGE",
  "VRFY",
  "ETRN",
]);

function record(
  question: RcptQuestion,
  { action, reason, logged }: Decided,
  ms: number,
  { log, metrics }: AnswerRcptMeans,
): void {
  const state = STATES.has(question.state) ? question.state : "other";
  metrics.policy.inc({ state, action: action.word });
  metrics.policySeconds.observe(ms / 1000);
  if (action === PASS.action || logged) return;
  log.message([logLine(question, action, reason ?? "")], () => ({
    policy: action.word,
    text: action.text,
    reason,
    state: question.state,
    client: question.client,
    login: question.login,
    sender: question.sender?.raw ?? null,
    recipient: question.recipient?.raw ?? null,
    elapsedMs: ms,
  }));
}

/** postgrey's grammar, so that its readers find the fields; log.ts escapes control characters. */
function logLine(question: RcptQuestion, { word }: PolicyAction, reason: string): string {
  const { client, login, sender, recipient, state } = question;
  const parts = [
    `policy: action=${word.toLowerCase()}`,
    `reason=${cut(reason)}`,
    `state=${cut(state)}`,
    `client_name=${cut(client.name ?? "unknown")}`,
    `client_address=${client.address ?? "unknown"}`,
    `sender=${cut(sender?.raw ?? "")}`,
    `recipient=${cut(recipient?.raw ?? "")}`,
  ];
  if (login !== null) parts.push(`sasl_username=${cut(login)}`);
  return parts.join(", ");
}

const cut = (text: string): string => text.slice(0, 300).replaceAll(", ", ",_");
