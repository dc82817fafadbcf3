// The words of greylisting: log lines in postgrey's grammar, so that its readers find the fields, and the text of X-Greylist.
import { mailDate } from "../mail/date.ts";
import type { Address } from "../mail/address.ts";
import type { Client } from "../mail/message.ts";
import type { GreylistAnswer } from "../state/greylist-store.ts";

/** "action=greylist, reason=new, client_name=…, client_address=…, sender=…, recipient=…". Values hold no ", ". */
export function greylistLine(
  answer: GreylistAnswer,
  client: Client,
  sender: Address | null,
  recipient: Address,
): string {
  const name = value(client.name ?? "unknown");
  const address = value(client.address ?? "unknown");
  const [from, to] = [value(sender?.raw ?? ""), value(recipient.raw)];
  return `${wordsOf(answer)}, client_name=${name}, client_address=${address}, sender=${from}, recipient=${to}`;
}

function wordsOf(answer: GreylistAnswer): string {
  switch (answer.result) {
    case "new":
      return "action=greylist, reason=new";
    case "early":
      return `action=greylist, reason=early-retry (${seconds(answer.missing)}s missing)`;
    case "accepted":
      return `action=pass, reason=triplet found, delay=${waited(answer)}`;
    case "passed":
      return "action=pass, reason=triplet found";
    case "client":
      return "action=pass, reason=client AWL";
    case "person":
      return "action=pass, reason=known correspondent";
  }
}

/** What the client is told, with the seconds that are missing. */
export function comeBack(answer: GreylistAnswer): string {
  return `Greylisted, please come back in ${seconds(answer.missing)} seconds`;
}

/** "delayed 314 seconds by postern at mx.example.com; Sat, 21 Nov 2026 01:03:48 +0000 (UTC)", the value of X-Greylist. */
export function delayedText(answer: GreylistAnswer, product: string, hostname: string): string {
  return `delayed ${waited(answer)} seconds by ${product} at ${hostname}; ${mailDate(new Date(answer.passed))}`;
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
const waited = ({ first, passed }: GreylistAnswer): number =>
  Math.max(0, Math.round((passed - first) / 1000));
const value = (text: string): string => text.slice(0, 320).replaceAll(", ", ",_");
