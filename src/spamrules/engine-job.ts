// What the engine's two sides say to each other: the rules that a thread starts with, a job, its notes, and its answer.
import type { MessagePort } from "node:worker_threads";
import type { Proofs } from "./evals/eval.ts";
import type { RuleText } from "./language/read.ts";
import type { Problem } from "./rulebook.ts";
import type { RuleHit, Scored } from "./verdict.ts";

/** Rule files as language/read.ts has read them, in a shape that travels as JSON, and how they are understood. */
export interface EngineData {
  readonly texts: readonly RuleText[];
  /** Texts that `include` lines name: by the file that says it, then by the words behind `include`. */
  readonly includes: readonly (readonly [
    file: string,
    named: readonly (readonly [words: string, texts: readonly RuleText[]])[],
  ])[];
  readonly problems: readonly Problem[];
  /** Only local tests. */
  readonly local: boolean;
  /** Whether the first messages will ask Bayes, which has points of its own: else another set of them is compiled when one does. */
  readonly bayes: boolean;
  /** From which points on a message may teach Bayes by itself; absent: none may. */
  readonly autolearn?: { readonly ham: number; readonly spam: number };
  /** Our name, for reports. */
  readonly hostname: string;
}

/** What is wanted beside points; each costs. */
export interface Wanted {
  /** Where and on what each rule hit. */
  readonly explain?: boolean;
  /** "report": the report as the rule files' template has it. "mail": the message as SpamAssassin would hand it back. */
  readonly also?: "report" | "mail";
  /** For templates: who asked. */
  readonly remote?: { readonly name: string; readonly address: string };
  /** Rules whose name starts with "__" too. */
  readonly subrules?: boolean;
}

export type EngineJob =
  /** Compiles the rules if that is to be done yet. */
  | { readonly kind: "about" }
  | {
      readonly kind: "score";
      readonly octets: ArrayBuffer;
      readonly now: number;
      readonly proofs: Proofs;
      readonly wanted: Wanted;
      readonly deadlineMs: number;
      readonly progress: SharedArrayBuffer;
      /** Whom to ask what was learned of a message: token ids out, a BayesAnswer back; null: Bayes is not asked. */
      readonly bayes: MessagePort | null;
    };

/** Chance of spam, 0 to 1; null: nothing is known of this message. */
export type BayesAnswer = number | null;

/** The first one says that rules run, the others what has hit so far. */
export type EngineNote = { readonly required: number } | { readonly hit: RuleHit };

export interface Answer extends Scored {
  /** As SpamAssassin lists them: one that counts its points again at each hit stands there as often. */
  readonly names: readonly string[];
  /** Octets, lines end in "\n"; null when it was not asked for, or there was no time. */
  readonly report: string | null;
  readonly mail: Uint8Array | null;
}

/** What a thread has compiled. */
export interface AboutRules {
  readonly version: string;
  readonly rules: number;
  readonly problems: readonly Problem[];
}
