// Which entries a search of the quarantine asks for. Pure; quarantine.ts applies it while it lists, the command line and the
// digest make it.
import { decodeWords } from "../mail/encoded-word.ts";
import type { QuarantineEntry } from "./quarantine-entry.ts";

/** Everything that is named must hold; letters compare without regard to case. */
export interface Filter {
  readonly category?: string | undefined;
  /** An address, "@domain", or "<>" for the null sender. */
  readonly sender?: string | undefined;
  /** An address or "@domain": one of the recipients. */
  readonly recipient?: string | undefined;
  /** Part of the decoded subject. */
  readonly subject?: string | undefined;
  /** Kept (or come again) at this time or later. */
  readonly since?: Date | undefined;
  /** Kept (or come again) before this time. */
  readonly before?: Date | undefined;
  /** Octets of the message. */
  readonly minSize?: number | undefined;
  readonly maxSize?: number | undefined;
}

/** True when an entry is what the filter asks for. */
export function passes(entry: QuarantineEntry, filter: Filter): boolean {
  const { category, sender, recipient, subject, since, before } = filter;
  if (category !== undefined && entry.keptAs !== category) return false;
  if (entry.size < (filter.minSize ?? 0) || entry.size > (filter.maxSize ?? Infinity)) return false;
  const time = Date.parse(entry.lastTime);
  if (since !== undefined && !(time >= since.getTime())) return false;
  if (before !== undefined && !(time < before.getTime())) return false;
  if (sender !== undefined && !isAddress(entry.sender ?? "", sender)) return false;
  if (recipient !== undefined && !entry.recipients.some((r) => isAddress(r.address, recipient)))
    return false;
  return subject === undefined || subjectOf(entry).toLowerCase().includes(subject.toLowerCase());
}

/** The subject for people: encoded words decoded; "" when there is none. Still text of a stranger. */
export function subjectOf({ subject }: Pick<QuarantineEntry, "subject">): string {
  return decodeWords(subject ?? "");
}

function isAddress(raw: string, wanted: string): boolean {
  const address = raw.toLowerCase();
  const want = wanted.toLowerCase();
  if (want === "<>") return address === "";
  return want.startsWith("@") ? address.endsWith(want) : address === want;
}
