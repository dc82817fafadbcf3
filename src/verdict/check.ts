// The shape of a check: one question, asked at one stage, in one tier. A check returns findings and may throw (the
// engine turns that into UNCHECKED_<CHECK>); it knows no dispositions and reads no configuration.
import type { Message, RcptQuestion } from "../mail/message.ts";
import type { Category, Finding } from "./finding.ts";

/** Cheapest first; the engine runs tier after tier and the checks of one tier side by side. */
export const TIERS = ["known", "client", "content", "score", "last"] as const;
export type Tier = (typeof TIERS)[number];

/** The two moments at which an MTA asks us. */
export interface Subjects {
  rcpt: RcptQuestion;
  message: Message;
}

export interface SymbolSpec {
  readonly symbol: string;
  readonly category: Category;
  /** Default points; rules/scores.rules overrides. */
  readonly score: number;
  /** One sentence for the symbol table. */
  readonly meaning: string;
}

export interface SoFar {
  /** Findings of the earlier tiers. */
  readonly findings: readonly Finding[];
  /** Aborted at the check's deadline or when the client has gone. */
  readonly signal: AbortSignal;
}

export interface Check<S extends keyof Subjects = keyof Subjects> {
  /** Lower case, one word: "banned". */
  readonly name: string;
  readonly stage: S;
  readonly tier: Tier;
  readonly symbols: readonly SymbolSpec[];
  /** True when it may take back what others found (an allow line): judging never stops before it was asked. */
  readonly mayWaive?: boolean;
  run(subject: Subjects[S], so: SoFar): Promise<readonly Finding[]>;
}
