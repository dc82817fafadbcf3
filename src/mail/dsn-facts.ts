// Whether a non-delivery report may go out at all (RFC 3461 4.1, RFC 3464 2, RFC 3834 2): reports to forged or automatic
// senders are backscatter. Asked by the engine per recipient before dsn.ts composes anything.
import type { Address } from "./address.ts";
import type { Recipient } from "./message.ts";

export interface DsnFacts {
  readonly sender: Address | null;
  readonly recipient: Recipient;
  /** What stopped the message for this recipient; "relay" = the next hop refused it. */
  readonly kind: "virus" | "banned" | "listed" | "unchecked" | "spam" | "malformed" | "relay";
  /** From mail/bulk.ts. */
  readonly bulk: string | null;
  readonly score: number | null;
  /** Score from which spam is not reported; null = always reported. */
  readonly dsnCutoff: number | null;
  /**
   * What is known of the envelope sender: "own" = our own user's; "proven" = SPF or DKIM passed for its domain; "forged" = SPF or
   * DMARC says that it is; "unproven" = nothing.
   */
  readonly standing: SenderStanding;
  /** The sender is on a deny list. */
  readonly senderDenied: boolean;
  /** The virus is the public test file: its sender is not forged. */
  readonly selfTest: boolean;
}

export type SenderStanding = "own" | "proven" | "forged" | "unproven";

/** Why no report goes out, in a few words of ours, or null when one is owed. */
export function dsnSuppressed(facts: DsnFacts): string | null {
  if (facts.sender === null || facts.sender.raw === "") return "null sender";
  const notify = notifyOf(facts.recipient);
  if (notify !== null && !notify.includes("FAILURE")) return `NOTIFY without FAILURE`;
  // What we stop ourselves is reported to nobody whose address another may have used. What the next hop refuses would be lost
  // without a word, so that there only a forgery that is certain counts.
  if (facts.standing === "forged") return "the sender is forged";
  if (facts.kind !== "relay" && facts.standing === "unproven") return "the sender is not proven";
  if (facts.kind === "virus" && !facts.selfTest) return "virus: the sender is likely forged";
  if (facts.senderDenied) return "sender is denied";
  if (facts.score !== null && facts.dsnCutoff !== null && facts.score >= facts.dsnCutoff) {
    return "score above the DSN cutoff";
  }
  return facts.bulk === null ? null : `bulk: ${facts.bulk}`;
}

/** The words of NOTIFY= in upper case, or null when the parameter did not come (then failures are reported). */
export function notifyOf(recipient: Recipient): readonly string[] | null {
  const text = paramOf(recipient.params, "NOTIFY");
  return text === null ? null : text.toUpperCase().split(",").slice(0, 8);
}

/** The value of an ESMTP parameter by name ("ENVID"), undecoded, or null. */
export function paramOf(params: readonly string[], name: string): string | null {
  const lead = `${name.toUpperCase()}=`;
  const found = params.find((param) => param.slice(0, lead.length).toUpperCase() === lead);
  return found === undefined ? null : found.slice(lead.length);
}
