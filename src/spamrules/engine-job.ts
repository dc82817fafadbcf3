// What the engine's two sides say to each other: the rules that a thread starts with, a job, its notes, and its answer.
import type { MessagePort } from "node:worker_threads";
import type { Replies } from "./evals/dns.ts";
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
  /** Both as there. */
  readonly languages?: RuleText;
  readonly absent?: readonly string[];
  readonly problems: readonly Problem[];
  /** Only local tests. */
  readonly local: boolean;
  /** Whose `lang` lines count; absent: "en_US". */
  readonly language?: string;
  /** Whether the first messages will ask Bayes, which has points of its own: else another set of them is compiled when one does. */
  readonly bayes: boolean;
  /** From which points on a message may teach Bayes by itself; absent: none may. */
  readonly autolearn?: { readonly ham: number; readonly spam: number };
  /** Our name, for reports. */
  readonly hostname: string;
  /** Where what is known of their patterns is kept; absent: nowhere. */
  readonly cache?: string;
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
      /** null: nothing is asked. */
      readonly asks: Asks | null;
    };

/**
 * What a thread, which has neither network nor store, may ask, and where: a job that has something to ask ends with Waiting, an
 * EngineReply then goes in at the port, and out comes a Parley. So the thread has its hands free meanwhile.
 */
export interface Asks {
  readonly bayes: boolean;
  readonly dns: boolean;
  readonly port: MessagePort;
}

export interface DnsLookup {
  /** How its reply is found again. */
  readonly key: string;
  readonly name: string;
  readonly types: readonly string[];
}

export interface Enquiry {
  /** Ids of tokens; null: Bayes is not asked. */
  readonly tokens: readonly number[] | null;
  readonly lookups: readonly DnsLookup[];
  /** Milliseconds for all of it. */
  readonly ms: number;
}

export interface EngineReply {
  readonly bayes: BayesAnswer;
  readonly replies: Replies;
}

export interface Waiting {
  readonly asks: Enquiry;
}

export type Parley = Waiting | { readonly answer: Answer } | { readonly failed: string };

/** Chance of spam, 0 to 1; null: nothing is known of this message. */
export type BayesAnswer = number | null;

/** The first one says that rules run, the others what has hit so far. */
export type EngineNote = { readonly required: number } | { readonly hit: RuleHit };

export interface Answer extends Scored {
  /** Questions to DNS, and how many of them nobody answered in time; absent: none was to be asked. */
  readonly dns?: { readonly asked: number; readonly silent: number };
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
