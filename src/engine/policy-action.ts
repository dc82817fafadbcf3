// From a verdict at RCPT to the words of an access table (access(5)): what the MTA is told. Pure. A message that goes on is
// DUNNO, so that the MTA's own restrictions keep their say; OK only for a `permit` line. Called by answer-rcpt.ts.
import { rblWarnings } from "../checks/dnsxl.ts";
import { DUNNO, type PolicyAction } from "../mail/policy-request.ts";
import type { Reply } from "../mail/reply.ts";
import type { Verdict } from "../verdict/decide.ts";
import type { Finding } from "../verdict/finding.ts";

/** When a check, the store or we ourselves could not answer in time, and the operator wants mail to wait. */
export const UNAVAILABLE: PolicyAction = {
  word: "DEFER_IF_PERMIT",
  text: "4.3.0 Temporary failure, try again later",
};

export interface Decided {
  readonly action: PolicyAction;
  /** Why, for the log; null for DUNNO. */
  readonly reason: string | null;
  /** True when the check that decided writes its own log line. */
  readonly logged: boolean;
}

export const PASS: Decided = { action: DUNNO, reason: null, logged: false };

/** The delivery agent's reply for a recipient that it does not take; null when it does. */
export function refusal(reply: Reply): Decided | null {
  if (reply.kind === "ok") return null;
  const word = reply.kind === "reject" ? "REJECT" : "DEFER_IF_PERMIT";
  const text = `${reply.status} ${reply.text}`;
  return { action: { word, text }, reason: text, logged: false };
}

const LIMITS = [
  { symbol: "LIMIT_REJECT", word: "REJECT", status: "5.7.1" },
  { symbol: "LIMIT_DEFER", word: "DEFER_IF_PERMIT", status: "4.7.1" },
] as const;

/** The gravest limit that was passed and stops mail; null when none does. */
export function limitAction(findings: readonly Finding[]): Decided | null {
  for (const { symbol, word, status } of LIMITS) {
    const finding = findings.find((one) => one.symbol === symbol);
    if (finding === undefined) continue;
    const text = `${status} ${finding.say ?? "Too much mail, limit passed"}`;
    return { action: { word, text }, reason: finding.detail, logged: false };
  }
  return null;
}

/** What a verdict that stops the recipient is here; null for one that lets it go on, or that only a whole message can have. */
export function stopAction(verdict: Verdict): Decided | null {
  const { because, category } = verdict;
  const reason = because?.detail ?? category;
  const say = because?.say;
  switch (verdict.disposition) {
    case "reject": {
      const text = `5.7.1 ${say ?? refusalWords(verdict)}`;
      return { action: { word: "REJECT", text }, reason, logged: false };
    }
    case "tempfail":
      if (category === "unchecked") return { action: UNAVAILABLE, reason, logged: false };
      return {
        action: {
          word: "DEFER_IF_PERMIT",
          text: `4.7.1 ${say ?? (category === "greylisted" ? "Greylisted, try again later" : "Try again later")}`,
        },
        reason,
        logged: category === "greylisted",
      };
    // Neither can be done for one recipient: the filter does it when the message is there.
    case "discard":
    case "bounce":
    case "accept":
    case "tag":
      return null;
  }
}

/** Whoever is on a DNS list must read on which, or nobody can get off it; an operator who will not say has `say`. */
function refusalWords({ because, findings }: Verdict): string {
  const [warning] = because?.check === "dnsxl" ? rblWarnings(findings) : [];
  return warning === undefined ? "Access denied" : `Service unavailable; ${warning}`;
}

/** The answer for a recipient that goes on. `hint` is a header line to put in front of the message, or null. */
export function goAction(
  findings: readonly Finding[],
  hint: string | null,
  onFail: "dunno" | "defer",
): Decided {
  const unchecked = findings.find(({ category }) => category === "unchecked");
  if (unchecked !== undefined && onFail === "defer")
    return {
      action: UNAVAILABLE,
      reason: `${unchecked.symbol}: ${unchecked.detail}`,
      logged: false,
    };
  const permit = findings.find(({ symbol }) => symbol === "ACCESS_PERMIT");
  if (permit !== undefined)
    return { action: { word: "OK", text: "" }, reason: permit.detail, logged: false };
  if (hint === null) return PASS;
  return { action: { word: "PREPEND", text: hint }, reason: hint, logged: false };
}
