// Who our users write to: their answers are never greylisted. Taken from outbound mail that was handed on, after the reply, so that
// nobody waits for it.
import type { KnownPeople } from "../state/known-people.ts";
import { personKey } from "../state/known-people.ts";
import type { Log } from "../sys/log.ts";
import type { Answered } from "./record.ts";

/** A message to more recipients is no letter, and would make a table of strangers known. */
const MAX_RECIPIENTS = 50;

/** The keys of the correspondents of an outbound message; empty for any other. */
export function correspondents({ message, outcomes }: Answered): readonly string[] {
  const { envelope } = message;
  if (envelope.origin !== "outbound" || envelope.sender === null) return [];
  const keys = new Set<string>();
  for (const { how, judged } of outcomes) {
    const key = how === "handed-on" && !judged.local ? personKey(judged.recipient.address) : null;
    if (key !== null) keys.add(key);
  }
  return keys.size > MAX_RECIPIENTS ? [] : [...keys];
}

/** Remembers them in the background; a failure is told and costs a delay at most. */
export function rememberCorrespondents(answered: Answered, people: KnownPeople, log: Log): void {
  const keys = correspondents(answered);
  if (keys.length === 0) return;
  people.remember(keys, Date.now()).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    log.warn(`(${answered.message.envelope.id}) correspondents are not remembered: ${why}`);
  });
}
