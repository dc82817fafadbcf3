// What is kept of a message for a month: facts and findings, no body; enough to explain a verdict and to replay a changed policy.
// Made by engine/history.ts, written by history.ts as JSON, read by history-read.ts.
import type { Finding } from "../verdict/finding.ts";

export interface HistoryRow {
  readonly v: 1;
  /** When it was answered, milliseconds. */
  readonly time: number;
  /** Log id, "02689-06". */
  readonly id: string;
  readonly mailId: string;
  readonly listener: string;
  readonly mode: "after-queue" | "before-queue";
  readonly origin: "inbound" | "outbound";
  readonly client: {
    readonly address: string | null;
    readonly name: string | null;
    readonly helo: string | null;
    readonly ident: string | null;
  };
  /** As it came; null = the null sender. */
  readonly sender: string | null;
  readonly size: number;
  readonly recipients: readonly HistoryRecipient[];
  /** Recipients beyond those named. */
  readonly moreRecipients: number;
  /** Names of all fields, in order, bounded; values of a few. */
  readonly header: readonly (readonly [name: string, value: string | null])[];
  /** Null when nobody looked into the message. */
  readonly parts: readonly HistoryPart[] | null;
  /** Parts beyond those named. */
  readonly moreParts: number;
  readonly findings: readonly HistoryFinding[];
  /** Findings beyond those named. */
  readonly moreFindings: number;
  /** Milliseconds of each check that ran, in order. */
  readonly checks: Readonly<Record<string, number>>;
  readonly rules: string;
  readonly ms: number;
  /** Path of the quarantine copy. */
  readonly quarantine: string | null;
}

export interface HistoryRecipient {
  readonly address: string;
  readonly local: boolean;
  readonly disposition: string;
  readonly quarantine: boolean;
  readonly folder: string | null;
  readonly category: string;
  readonly score: number;
  /** The symbol that decided. */
  readonly because: string | null;
  readonly rule: string | null;
  /** How it ended: "handed-on", "rejected", … */
  readonly how: string;
  readonly reply: string;
}

export interface HistoryPart {
  readonly path: string;
  /** Position of its parent in the list; -1 for the root. */
  readonly parent: number;
  readonly type: string;
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  readonly size: number;
  readonly sha256: string;
  readonly encrypted?: true;
  readonly attributes?: readonly string[];
  readonly defects?: readonly string[];
}

/** A finding with its recipient as it came. */
export type HistoryFinding = Omit<Finding, "recipient"> & { readonly recipient?: string };
