// Asking one check, whatever its stage: under a deadline, and a check that throws or is late becomes a finding that policy
// decides about. Called by judge.ts for messages and by answer-rcpt.ts for recipients.
import type { RuleSet } from "../ruleset/compile.ts";
import { clearDeadline, deadline } from "../sys/deadlines.ts";
import type { Check, SoFar, Subjects } from "../verdict/check.ts";
import { scoreName, type Finding } from "../verdict/finding.ts";

export interface AskOptions {
  readonly checkDeadlineMs: number;
  /** Told about each check: how long, and why it could not answer. */
  onCheck?(name: string, ms: number, failed: "deadline" | "error" | null, error?: unknown): void;
}

/** Never rejects: a check that throws or is late leaves UNCHECKED_<CHECK>. Its milliseconds go into `timings`, if anybody wants them. */
export function ask<S extends keyof Subjects>(
  check: Check<S>,
  subject: Subjects[S],
  so: SoFar,
  options: AskOptions,
  timings: Map<string, number> | null,
): Promise<readonly Finding[]> {
  const start = performance.now();
  const { name } = check;
  // By hand and not with Promise.race and timers: most checks answer at once, and this runs for each of them.
  return new Promise((resolve) => {
    let over = false;
    const end = (
      findings: readonly Finding[],
      failed: "deadline" | "error" | null,
      error?: unknown,
    ): void => {
      if (over) return;
      over = true;
      clearDeadline(limit);
      const ms = performance.now() - start;
      timings?.set(name, ms);
      options.onCheck?.(name, ms, failed, error);
      resolve(findings);
    };
    const limit = deadline(options.checkDeadlineMs, () =>
      end([unchecked(name, "deadline")], "deadline"),
    );
    // The one place where a failed check is caught: it becomes a finding that policy decides about.
    const failed = (caught: unknown): void =>
      end([unchecked(name, caught instanceof Error ? caught.message : "error")], "error", caught);
    try {
      check.run(subject, so).then((findings) => end(findings, null), failed);
    } catch (caught) {
      failed(caught);
    }
  });
}

/** The operator's score for the symbol takes the place of the check's own. */
export function weighed(finding: Finding, rules: RuleSet): Finding {
  const score = rules.scoreOf(scoreName(finding));
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
