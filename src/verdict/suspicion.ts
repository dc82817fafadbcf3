// Reasons to make a client wait, for selective greylisting: the operator names those that count ([greylist] when). Pure.
import { isGeneric } from "../mail/organisation.ts";
import { canonicalIp } from "../mail/ip.ts";

export const SUSPICIONS = ["dnsxl", "rdns", "generic", "helo", "spf", "score"] as const;
export type Suspicion = (typeof SUSPICIONS)[number];

/** Every mail of a stranger, or only on one of these suspicions; an empty list = never. */
export type When = "always" | ReadonlySet<Suspicion>;

/** What is known of a client when it is judged. */
export interface ClientFacts {
  readonly address: string;
  readonly helo: string | null;
  /** The name of the address, null = it has none; `confirmed` when that name leads back to the address. */
  readonly name: string | null;
  readonly confirmed: boolean;
  /** DNS gave no answer about the name: nothing follows from it. */
  readonly unsure: boolean;
  /** The DNS lists that know the mail reach their threshold. */
  readonly listed: boolean;
  /** SPF says fail or softfail. */
  readonly spfFailed: boolean;
  /** The score lies in the band for which a message is made to wait; always false before DATA. */
  readonly inBand: boolean;
  /** Our own name. */
  readonly hostname: string;
}

/** The suspicions that hold, in the order of SUSPICIONS. */
export function suspicions(facts: ClientFacts): readonly Suspicion[] {
  const { name, confirmed, unsure } = facts;
  const holds: Readonly<Record<Suspicion, boolean>> = {
    dnsxl: facts.listed,
    rdns: !unsure && (name === null || !confirmed),
    generic: name !== null && confirmed && isGeneric(name, facts.address),
    helo: isOddHelo(facts.helo, facts.address, facts.hostname),
    spf: facts.spfFailed,
    score: facts.inBand,
  };
  return SUSPICIONS.filter((suspicion) => holds[suspicion]);
}

/** True when a client with these suspicions has to wait. */
export function mustWait(when: When, found: readonly Suspicion[]): boolean {
  return when === "always" || found.some((suspicion) => when.has(suspicion));
}

/**
 * A greeting that no mail server on the Internet uses (RFC 5321 4.1.4): none at all, an address without or with brackets, a name
 * without a dot or under a private top-level domain, our own name, a name made from the address.
 */
export function isOddHelo(helo: string | null, address: string, hostname: string): boolean {
  const name = (helo ?? "").trim().toLowerCase().replace(/\.$/, "");
  if (name === "" || canonicalIp(name) !== null || !name.includes(".")) return true;
  if (name === hostname.toLowerCase()) return true;
  if (/\.(?:local|lan|localdomain|localhost|home|internal|invalid|test|corp)$/.test(name))
    return true;
  return /[^a-z0-9._\u0080-\uffff-]/.test(name) || isGeneric(name, address);
}
