// What an eval function is: a test that the rule language names but cannot write. One file per SpamAssassin plugin; index.ts lists them.
import type { Rule, RuleBook } from "../rulebook.ts";
import type { Subject } from "../subject.ts";

/** What postern's own checks found out already, so that nothing is asked twice. null: not known, the rules that ask do not hit. */
export interface Proofs {
  readonly spf: { readonly mailFrom: string | null; readonly helo: string | null } | null;
  readonly dkim: readonly DkimSignature[] | null;
  readonly dmarc: { readonly result: string; readonly policy: string } | null;
  readonly arc: string | null;
  /** Domains of authors, lower case, that DNS knows nothing of. */
  readonly gone?: readonly string[];
}

export interface DkimSignature {
  /** pass, fail, neutral, temperror, permerror, none. */
  readonly result: string;
  readonly domain: string;
  readonly selector: string;
  readonly identity: string | null;
  readonly bits: number | null;
}

export interface EvalContext {
  readonly subject: Subject;
  readonly book: RuleBook;
  readonly proofs: Proofs;
  /** True when only local tests may run. */
  readonly local: boolean;
  /** Chance of spam by Bayes, 0 to 1; null or absent: not asked yet, nothing learned, or nothing known of this message. */
  readonly bayes?: number | null;
  /** Whether another rule has hit so far, and how often. */
  hits(rule: string): number;
  /** Computes once per message what several functions share. */
  memo<T>(key: symbol, make: () => T): T;
  /** Sets a tag for reports and for %{TAG} templates. */
  tag(name: string, value: string): void;
  /** From now on `body` rules see these lines instead: SpamAssassin's FreeMail cuts addresses out of the very lines that rules of the same and of later priorities meet. */
  alterBody?(lines: readonly string[]): void;
}

/** How often it hits (true is once). A function that throws counts as no hit, and is told of. */
export type Eval = (context: EvalContext, args: readonly string[], rule: Rule) => boolean | number;

export type Evals = Readonly<Record<string, Eval>>;
