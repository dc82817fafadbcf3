// Does a proof fit a sender? What SPF, DKIM or DMARC proved must have the organisational domain of the address (relaxed alignment,
// by the Public Suffix List). Used by access.ts for allow lines with `if dkim` and the like.
import type { Address } from "../mail/address.ts";
import { organisation } from "../mail/organisation.ts";
import type { Proof } from "../ruleset/access-lines.ts";
import type { Proven } from "./auth-results.ts";

/** True when one of the domains that were proven in this way has the organisational domain of the address. */
export function isProven(address: Address | null, by: Proof, proven: Proven): boolean {
  const mine = address === null ? null : organisation(address.domain);
  if (mine === null) return false;
  const { spf, dkim, dmarc } = proven;
  const domains = by === "auth" ? [...spf, ...dkim, ...dmarc] : proven[by];
  return domains.some((domain) => organisation(domain) === mine);
}
