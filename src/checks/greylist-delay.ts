// Was this mail greylisted, and came back? Known from our own record of the triplet, before the scorer is asked, so that it sees
// X-Greylist too. Writes nothing and asks no DNS: what RCPT saw is on record under the network. Costs one look into the store.
import type { Address } from "../mail/address.ts";
import type { Client } from "../mail/message.ts";
import type { GreylistAnswer } from "../state/greylist-store.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { provenBy } from "./auth-results.ts";
import type { GreylistMeans } from "./greylist.ts";
import { isExempt, judgedRecipients } from "./greylist-exempt.ts";
import { nameOf, questionFor } from "./greylist-subject.ts";
import { delayedText } from "./greylist-text.ts";

export const GREYLIST_DELAYED: SymbolSpec = {
  symbol: "GREYLIST_DELAYED",
  category: "note",
  score: 0,
  meaning: "The mail was greylisted and came back; the detail is the text of X-Greylist.",
};

/** A mail that follows the acceptance of its triplet within this time is the one that came back. */
const FRESH_MS = 10 * 60_000;

/** In the tier behind sender authentication, whose proofs name the sender. */
export const greylistDelay = (means: GreylistMeans): Check<"message"> => ({
  name: "delay",
  stage: "message",
  tier: "content",
  symbols: [GREYLIST_DELAYED],
  async run(message, so) {
    const { client, origin, sender } = message.envelope;
    const { address } = client;
    if (address === null || isExempt({ client, origin, login: null }, means)) return [];
    const recipients = judgedRecipients(message.envelope.recipients, so.findings);
    if (recipients.length === 0) return [];
    const facts = { address, sender, ...(await proofs(client, so)), shared: means.shared };
    const asked = recipients.map((recipient) => questionFor(facts, recipient));
    const now = means.now();
    const answers = await means.store.peek(asked, means.times, now);
    return answers.flatMap((answer, i) => {
      const recipient = recipients[i];
      return recipient === undefined ? [] : delayedFinding(answer, recipient, now, means);
    });
  },
});

async function proofs(client: Client, so: Parameters<Check<"message">["run"]>[1]) {
  const { spf, dkim } = provenBy(so.findings);
  return { name: await nameOf(client, null, so), spf, dkim, body: null, forged: true };
}

/** The finding, when the answer is about a triplet that has just been accepted after a wait. */
export function delayedFinding(
  answer: GreylistAnswer,
  recipient: Address,
  now: number,
  { product, hostname }: Pick<GreylistMeans, "product" | "hostname">,
): readonly Finding[] {
  const { passed, first } = answer;
  if (passed === 0 || now - passed > FRESH_MS || passed - first < 1000) return [];
  const { symbol, score } = GREYLIST_DELAYED;
  const detail = delayedText(answer, product, hostname);
  return [{ check: "greylist", symbol, category: "note", score, detail, recipient }];
}
