// Asking one check, whatever its stage: under a deadline, and a check that throws or is late becomes a finding that policy
// decides about. Called by judge.ts for messages and by answer-rcpt.ts for recipients.
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SoFar, Subjects } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";

export interface AskOptions {
  readonly checkDeadlineMs: number;
  /** Told about each check: how long, and why it could not answer. */
  onCheck?(name: string, ms: number, failed: "deadline" | "error" | null, error?: unknown): void;
}

/** Never rejects: a check that throws or is late leaves UNCHECKED_<CHECK>. Its milliseconds go into `timings`. */
export async function ask<S extends keyof Subjects>(
  check: Check<S>,
  subject: Subjects[S],
  so: SoFar,
  options: AskOptions,
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
    const answer = await Promise.race([check.run(subject, so), late]);
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

/** The operator's score for the symbol takes the place of the check's own. */
export function weighed(finding: Finding, rules: RuleSet): Finding {
  const score = rules.scoreOf(finding.symbol);
  return score === undefined || score === finding.score ? finding : { ...finding, score };
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
