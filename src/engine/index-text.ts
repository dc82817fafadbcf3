// What the index that nodes share holds of a kept message: its entry, cut to what a list shows and a search asks for. Written by
// held-nodes.ts, read by cli/quarantine-nodes.ts.
import { parseEntry, stemOf, type QuarantineEntry } from "../mailstore/quarantine-entry.ts";
import { isMailId } from "../sys/ids.ts";
import { MAX_INDEX_TEXT } from "../state/shared-nodes.ts";

/** From the most to the least that is kept: recipients, and letters of texts. */
const CUTS = [
  [50, 300],
  [5, 100],
  [1, 40],
] as const;

/** At most MAX_INDEX_TEXT octets of JSON that readIndexText reads; null for an entry that cannot be cut so far. */
export function indexText(entry: QuarantineEntry): string | null {
  for (const [recipients, letters] of CUTS) {
    const text = JSON.stringify(cut(entry, recipients, letters));
    if (Buffer.byteLength(text) <= MAX_INDEX_TEXT) return text;
  }
  return null;
}

/** The entry in a text of the index, or null when it is none of this id. */
export function readIndexText(id: string, text: string): QuarantineEntry | null {
  if (!isMailId(id)) return null;
  const as = /"keptAs":"([a-z]{1,12})"/.exec(text)?.[1] ?? "";
  const entry = parseEntry(text, `${as}-${id}.json`);
  return entry !== null && stemOf(entry.keptAs, entry.id) === `${as}-${id}` ? entry : null;
}

function cut(entry: QuarantineEntry, recipients: number, letters: number): QuarantineEntry {
  const short = <T extends string | null>(text: T): T =>
    (text === null ? null : text.slice(0, letters)) as T;
  return {
    ...entry,
    sender: short(entry.sender),
    senderParams: [],
    recipients: entry.recipients
      .slice(0, recipients)
      .map((one) => ({ ...one, address: short(one.address), params: [] })),
    messageId: short(entry.messageId),
    subject: short(entry.subject),
    findings: [],
    released: entry.released
      .slice(-1)
      .map((one) => ({ ...one, recipients: one.recipients.slice(0, recipients).map(short) })),
  };
}
