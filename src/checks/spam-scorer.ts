// Who scores a message for the spam check: a spamd, the engine for SpamAssassin's rules, or both beside one another. Made by scoring.ts.
import type { Body } from "../mail/message.ts";
import type { Proofs } from "../spamrules/evals/eval.ts";
import type { Finding } from "../verdict/finding.ts";

export interface ScoredRule {
  readonly name: string;
  readonly score: number;
  /** What it means and on what it hit, where that was asked for; text of the message in it, unescaped. */
  readonly detail?: string;
}

export interface Opinion {
  readonly kind: "scored";
  readonly total: number;
  /** The scorer's own threshold; ours is policy's. */
  readonly required: number;
  readonly rules: readonly ScoredRule[];
  /** True when the scores are as SpamAssassin has them, false when they are rounded to a tenth. */
  readonly exact: boolean;
  /** "autolearn=no autolearn_force=no"; null when it says nothing. */
  readonly autolearn: string | null;
  /** Who said so: for the finding. */
  readonly by: string;
  /** Why not all rules ran; null when all did. */
  readonly partial: string | null;
  /** What DNS did not answer in time; null or absent when there is nothing to say. */
  readonly silent?: string | null;
}

export interface NoOpinion {
  readonly kind: "error";
  readonly why: string;
}

export interface Asked {
  /** The message's log id. */
  readonly id: string;
  /** The listener it came in on. */
  readonly from?: string;
  /** Whose preferences count; null: the scorer's own. */
  readonly user: string | null;
  /** What earlier checks found. */
  readonly findings: readonly Finding[];
  /** What is known of where it comes from, for a scorer that does not find out itself. */
  readonly proofs: Proofs;
}

export interface Scorer {
  /** Never rejects. The body is read by when it resolves, or not at all any more. */
  score(body: Body, asked: Asked, signal: AbortSignal): Promise<Opinion | NoOpinion>;
}
