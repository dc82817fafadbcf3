// Who sent the message by its envelope, as far as its header tells: EnvelopeFrom.
import { lower } from "./octets.ts";
import { senderByRelays } from "../received/trust.ts";
import type { Relays } from "../received/relays.ts";

export interface EnvelopeFacts {
  readonly senderHeader: string | null;
  /** Asked for only when it counts. */
  relays(): Relays;
  get(field: string): string | undefined;
  getAll(field: string): readonly string[];
}

/** Fields that mail servers write, and whether one below a Received field ends the search. */
const GUESSES: readonly (readonly [string, boolean])[] = [
  ["X-Envelope-From", true],
  ["Envelope-Sender", false],
  ["Return-Path", false],
];

/** null: nobody knows; "" is the null sender. */
export function envelopeFrom(facts: EnvelopeFacts): string | null {
  if (facts.senderHeader !== null) {
    const named = facts.getAll(`${facts.senderHeader}:first:addr`)[0];
    return named !== undefined && (named === "" || named.indexOf("@") > 0) ? named : null;
  }
  const relayed = senderByRelays(facts.relays());
  if (relayed !== null) return relayed;
  // Fetchmail makes an envelope of its own, from X-Sender, which lists set to somebody else.
  if (
    facts.getAll("X-Sender:first:addr")[0]?.includes("@") === true &&
    facts.getAll("Received").some((value) => value.includes("(fetchmail"))
  )
    return null;
  for (const [name, final] of GUESSES) {
    const sender = facts.getAll(`${name}:first:addr`)[0];
    if (sender === undefined) continue;
    if (!isBelowReceived(facts.get("ALL") ?? "", name)) return sender;
    if (final) return null;
  }
  return null;
}

function isBelowReceived(fields: string, name: string): boolean {
  const received = /(?:^|\n)received:/i.exec(fields);
  return received !== null && lower(fields.slice(received.index)).includes(`\n${lower(name)}:`);
}
