// SpamAssassin's DMARC plugin, answered from postern's own check; without one nothing hits.
import type { EvalContext, Evals } from "./eval.ts";

interface Outcome {
  readonly result: string;
  /** What the domain wants done; null without a policy. */
  readonly policy: string | null;
}

/** null: not checked, or nothing that could be: mail of our own, or a From without domain. */
function outcome({ proofs, subject, local }: EvalContext): Outcome | null {
  if (local || proofs.dmarc === null || subject.relays.external.length === 0) return null;
  if (subject.getAll("From:first:addr")[0]?.includes("@") !== true) return null;
  const { result, policy } = proofs.dmarc;
  return { result, policy: result === "none" || policy === "" ? null : policy };
}

const failsWith =
  (policy: string) =>
  (context: EvalContext): boolean => {
    const found = outcome(context);
    return found !== null && found.result === "fail" && found.policy === policy;
  };

export const DMARC: Evals = {
  check_dmarc_pass(context) {
    const found = outcome(context);
    return found !== null && found.result === "pass" && found.policy !== null;
  },
  check_dmarc_reject: failsWith("reject"),
  check_dmarc_quarantine: failsWith("quarantine"),
  check_dmarc_none: failsWith("none"),
  check_dmarc_missing(context) {
    const found = outcome(context);
    return found !== null && found.policy === null;
  },
};
