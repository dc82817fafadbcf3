// To whom our users wrote: their answers are never greylisted. Written for each outbound message that was handed on; asked
// inside a greylist decision (see greylist-store.ts), by the same key.
import type { Address } from "../mail/address.ts";

export const KNOWN_MS: number = 60 * 24 * 3600 * 1000;

export interface KnownPeople {
  /** Remembers these people (personKey) for KNOWN_MS. Rejects when the store is down or late. */
  remember(people: readonly string[], now: number): Promise<void>;
  has(person: string, now: number): Promise<boolean>;
}

/** One key for an address however its local part is written; null for an address without a domain. */
export function personKey(address: Address): string | null {
  if (address.domain === "") return null;
  return `${address.local.toLowerCase()}@${address.domain}`.slice(0, 320);
}
