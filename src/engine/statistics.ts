// What one answered message adds to the statistics. Called after the reply is known; takes microseconds and cannot fail.
import type { Counting } from "../state/stats-gather.ts";
import { scoreName } from "../verdict/finding.ts";
import { countedAs, type Answered } from "./record.ts";

/** A message to more recipients counts for the first ones only: a table of the most frequent needs no more. */
const MAX_RECIPIENTS = 100;

/** Octets are those of the message, milliseconds those from the end of DATA to the reply. */
export function countMessage(answered: Answered, statistics: Counting): void {
  const { message, judgement, outcomes, elapsedMs } = answered;
  for (const { direction, category, disposition } of countedAs(answered))
    statistics.count("verdict", `${direction} ${category} ${disposition}`);
  statistics.count("sum", "messages");
  statistics.count("sum", "recipients", outcomes.length);
  statistics.count("sum", "octets", message.body.size);
  statistics.count("sum", "ms", Math.round(elapsedMs));
  statistics.count("sender", senderOf(answered));
  for (const { judged } of outcomes.slice(0, MAX_RECIPIENTS)) {
    const { local, domain } = judged.recipient.address;
    statistics.count("recipient", domain === "" ? local : `${local.toLowerCase()}@${domain}`);
  }
  for (const symbol of new Set(judgement.findings.map(scoreName)))
    statistics.count("symbol", symbol);
}

/** The domain of the sender; "<>" for the null sender. */
function senderOf({ message }: Answered): string {
  const { sender } = message.envelope;
  if (sender === null) return "<>";
  return sender.domain === "" ? sender.local : sender.domain;
}
