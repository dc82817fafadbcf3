// What an operator wants for one recipient, compiled from policy.rules by ruleset/policy.ts: pure data for decide.ts.
import type { Category } from "./finding.ts";

export type Disposition = "accept" | "tag" | "discard" | "bounce" | "reject" | "tempfail";

/** Stopping dispositions end the walk over the categories; accept and tag let the message go on. */
export const STOPS: Readonly<Record<Disposition, boolean>> = {
  accept: false,
  tag: false,
  discard: true,
  bounce: true,
  reject: true,
  tempfail: true,
};

export type Notice = "postmaster" | "recipient";

export interface Fate {
  readonly disposition: Disposition;
  readonly quarantine: boolean;
  /** Folder for accept and tag ("Junk"), or null. */
  readonly folder: string | null;
  readonly notices: readonly Notice[];
  /** The fate holds only if this is so; null = always. "auth": SPF or DKIM passed and the message is not bulk. */
  readonly onlyIf: "auth" | null;
  /** "rules/policy.rules:12". */
  readonly rule: string;
}

/** `spam` is at or above the kill level, `spammy` at or above tag2. */
export type FateName = Exclude<Category, "note"> | "spammy";

export interface Policy {
  /** Per name the fates in order; the first whose condition holds is the one. An empty list accepts. */
  readonly fates: Readonly<Record<FateName, readonly Fate[]>>;
  /** Fates of `unchecked` findings by check name; a check that is not listed takes fates.unchecked. */
  readonly unchecked: ReadonlyMap<string, readonly Fate[]>;
  /** Addresses of mailboxes that take kept copies, by category; absent: the quarantine takes them. */
  readonly keepTo?: ReadonlyMap<FateName, string>;
  /** Score from which X-Spam-* fields are written; -Infinity = always, null = never. */
  readonly tagLevel: number | null;
  readonly tag2Level: number;
  readonly killLevel: number;
  /** Put in front of Subject at tag2, e.g. "***SPAM*** "; null = the subject stays. */
  readonly subjectTag: string | null;
}
