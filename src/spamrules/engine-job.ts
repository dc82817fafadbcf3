// What the engine's two sides say to each other: the rules that a thread starts with, a job, its notes, and its answer.
import type { Proofs } from "./evals/eval.ts";
import type { Problem } from "./rulebook.ts";
import type { RuleHit, Scored } from "./verdict.ts";

/** Filled in from language/: the files in the order in which they count, and how they are read. */
export interface EngineData {
  readonly texts: readonly RuleText[];
  /** Only local tests. */
  readonly local: boolean;
  /** Whether Bayes answers. */
  readonly bayes: boolean;
  /** Our name, for reports. */
  readonly hostname: string;
}

export interface RuleText {
  /** An absolute path, or a name for text that no file holds. */
  readonly file: string;
  /** One character per octet. */
  readonly octets: string;
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
    };

/** The first one says that rules run, the others what has hit so far. */
export type EngineNote = { readonly required: number } | { readonly hit: RuleHit };

export interface Answer extends Scored {
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
