// The checks of a snapshot as the engine runs them: by tier, cheapest first. Called by judge.ts and answer-rcpt.ts.
import { TIERS, type Check, type Subjects } from "../verdict/check.ts";

type Tiers = readonly (readonly Check[])[];

const known = new WeakMap<readonly Check[], Tiers>();

/** The tiers that have checks, in order. Worked out once for each list. */
export function tiersOf<S extends keyof Subjects>(
  checks: readonly Check<S>[],
): readonly (readonly Check<S>[])[] {
  let tiers = known.get(checks);
  if (tiers === undefined) {
    tiers = TIERS.map((tier) =>
      (checks as readonly Check[]).filter((check) => check.tier === tier),
    ).filter((tier) => tier.length > 0);
    known.set(checks, tiers);
  }
  return tiers as readonly (readonly Check<S>[])[];
}
