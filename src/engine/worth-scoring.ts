// Whether points can still change anything for a recipient: the scorer costs more than all other checks together, so it is not
// asked when nobody minds its answer. Pure; called by judge.ts before the tier "score".
import type { Finding } from "../verdict/finding.ts";
import type { Fate } from "../verdict/policy.ts";
import type { Judged } from "./judge.ts";

/** False when an allow line waives spam for the recipient, or its policy neither acts on points nor shows them. */
export function worthScoring(
  { recipient, policy, local }: Omit<Judged, "verdict">,
  findings: readonly Finding[],
): boolean {
  const { raw } = recipient.address;
  const waived = findings.some(
    (finding) =>
      finding.waives?.includes("spam") === true &&
      (finding.recipient === undefined || finding.recipient.raw === raw),
  );
  if (waived) return false;
  // Points give the header fields of our recipients; on its way out a message shows none.
  if (local && (policy.tagLevel !== null || policy.subjectTag !== null)) return true;
  return [...policy.fates.spam, ...policy.fates.spammy].some(acts);
}

function acts({ disposition, quarantine, folder, notices }: Fate): boolean {
  return disposition !== "accept" || quarantine || folder !== null || notices.length > 0;
}
