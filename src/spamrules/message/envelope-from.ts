// Who sent the message by its envelope, as far as its header tells: EnvelopeFrom.
import { senderByRelays } from "../received/trust.ts";
import type { Relays } from "../received/relays.ts";

export interface EnvelopeFacts {
  readonly senderHeader: string | null;
  /** Asked for only when it counts. */
  relays(): Relays;
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
    if (!isBelowReceived(facts.getAll("ALL"), name)) return sender;
    if (final) return null;
  }
  return null;
}

function isBelowReceived(fields: readonly string[], name: string): boolean {
  let received = false;
  for (const line of fields.join("").split("\n")) {
    if (received && startsWith(line, `${name}:`)) return true;
    received ||= startsWith(line, "Received:");
  }
  return false;
}

function startsWith(line: string, start: string): boolean {
  return line.slice(0, start.length).toLowerCase() === start.toLowerCase();
}
