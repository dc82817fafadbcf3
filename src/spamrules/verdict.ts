// What the engine says of one message.

export interface RuleHit {
  readonly rule: string;
  /** Points counted, to three decimals; 0 for rules whose name starts with "__". */
  readonly score: number;
  readonly describe: string;
  /** How often it hit. */
  readonly count: number;
  /**
   * Where and on what, for explanations: the text of a pattern, the rules that a meta names and that hit, an eval function with its
   * arguments. At most 200 octets, unescaped.
   */
  readonly matched: { readonly where: string; readonly text: string } | null;
}

export interface Scored {
  /** To three decimals, as SpamAssassin rounds. */
  readonly total: number;
  readonly required: number;
  /** Hits of rules with points (also zero points by rounding), by name; "__" rules only when asked for. */
  readonly hits: readonly RuleHit[];
  /** Not everything ran: the deadline came. Names the rule that ran then. */
  readonly partial: { readonly rule: string } | null;
  readonly autolearn: "ham" | "spam" | "no" | "disabled" | "unavailable" | "failed";
  /** Chance of spam by Bayes, 0 to 1; null without one. */
  readonly bayes: number | null;
  /** TAGS that templates and reports know. */
  readonly tags: ReadonlyMap<string, string>;
}
