// What a check reports. A finding is a fact with a name; what it means for a recipient is decided in decide.ts.
import type { Address } from "../mail/address.ts";

/** Gravest first: this order is the gravity that decide.ts walks. */
export const CATEGORIES = [
  "virus",
  "banned",
  "listed",
  "unchecked",
  "greylisted",
  "spam",
  "malformed",
  "note",
] as const;

export type Category = (typeof CATEGORIES)[number];

export interface Finding {
  /** Name of the check that reports. */
  readonly check: string;
  /** UPPER_SNAKE. */
  readonly symbol: string;
  /** Whose name the symbol is when it is not ours: it may be spelt like one of ours and mean something else. */
  readonly foreign?: "spamd" | "clamd";
  readonly category: Category;
  /** Points towards the spam score; 0 for facts. */
  readonly score: number;
  /** Private text for log, JSON and scan output; escaped by whoever prints it. */
  readonly detail: string;
  /** Absent: holds for every recipient. */
  readonly recipient?: Address;
  /** An allow line: findings of these categories do not count for the recipients it holds for. */
  readonly waives?: readonly Category[];
  /** The operator's text for the sender. */
  readonly say?: string;
  /** Where the rule stands: "rules/banned.rules:12". */
  readonly rule?: string;
}

/** What scores.rules calls the symbol of a finding: "BANNED", "spamd:SPF_FAIL". */
export function scoreName({ symbol, foreign }: Pick<Finding, "symbol" | "foreign">): string {
  return foreign === undefined ? symbol : `${foreign}:${symbol}`;
}
