// What was learned from messages for Bayes: how often each token stood in spam and in ham, and which messages taught it. Asked for every
// message that is scored, written by `postern learn`, the training folders and autolearn. Two implementations share the contract suite.
import { hash } from "node:crypto";

export type Label = "spam" | "ham";

export interface TokenRow {
  /** The last five octets of the token's SHA-1, as one number. */
  readonly id: number;
  readonly spam: number;
  readonly ham: number;
  /** When it was last of use, in seconds since 1970. */
  readonly seen: number;
}

export interface TokenTotals {
  /** Messages that were learned and not forgotten. */
  readonly spam: number;
  readonly ham: number;
}

export interface TokenSummary extends TokenTotals {
  readonly tokens: number;
  /** Of all tokens, in seconds since 1970; 0 without any. */
  readonly oldest: number;
  readonly newest: number;
  /** Milliseconds since 1970; 0 = never. */
  readonly expired: number;
  /** Mailboxes that taught something that is remembered, by name, with the number of messages. At most MAX_NAMED. */
  readonly mailboxes: readonly { readonly mailbox: string; readonly messages: number }[];
}

export interface Lesson {
  /** lessonKey() of everything by which the message is known; the first one is remembered. */
  readonly keys: readonly string[];
  readonly label: Label;
  /** Each id once. */
  readonly tokens: readonly number[];
  /** When the message came, in seconds since 1970. */
  readonly at: number;
  /** Whose folder it lay in: its tokens are kept, so that all that a mailbox taught can be forgotten. "" = nobody's. */
  readonly mailbox: string;
  /** What was learned as the other label stays so. */
  readonly timid: boolean;
  /** How long it is remembered that this message was learned, in milliseconds. */
  readonly rememberMs: number;
}

export interface Learned {
  readonly label: Label;
  /** Whose folder taught it; "" = nobody's. */
  readonly mailbox: string;
}

/** relearned: it was known under the other label, which was forgotten first. known: nothing was changed. */
export type LessonResult = "learned" | "relearned" | "known";

export interface TokenStore {
  totals(): Promise<TokenTotals>;
  /** Those of the tokens that are known, in no order. Rejects when the store is down or late, as all of these do. */
  look(ids: readonly number[]): Promise<readonly TokenRow[]>;
  /** Notes that these were of use: what is not for long expires. */
  touch(ids: readonly number[], at: number): Promise<void>;
  learn(lesson: Lesson, now: number): Promise<LessonResult>;
  /** As what a message was learned, and by whom; null when it was not. */
  learned(keys: readonly string[], now: number): Promise<Learned | null>;
  /** Takes back what a message taught: by the tokens that were kept, or else by these. Resolves to what it was; null when unknown. */
  forget(keys: readonly string[], tokens: readonly number[], now: number): Promise<Label | null>;
  /** Takes back at most `most` messages that a mailbox taught; resolves to their number, 0 when none is left. */
  forgetMailbox(mailbox: string, most: number, now: number): Promise<number>;
  /**
   * When there are more than `most` tokens, removes those that were longest of no use, until three quarters of `most` are left.
   * Those of the last EXPIRE_YOUNGEST before the newest stay in any case. Resolves to the number of tokens removed.
   */
  expire(most: number, now: number): Promise<number>;
  summary(now: number): Promise<TokenSummary>;
}

export const MAX_NAMED = 10_000;
/** Seconds. */
export const EXPIRE_YOUNGEST = 43_200;
/** Part of the most that is left by an expiry, so that the next one is not due at once. */
export const EXPIRE_TO = 0.75;
/** Tokens of one lesson. */
export const MAX_LESSON = 20_000;

/** 22 characters for an id of any length. */
export function lessonKey(id: string): string {
  return hash("sha256", id, "base64url").slice(0, 22);
}
