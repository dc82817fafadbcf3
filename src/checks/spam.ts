// The spam scorer: asks a spamd or the engine for its rules once per message, last of the checks that judge the text, since it costs
// most. Rules and their points become findings whose sum is the scorer's own total. It is given a copy of the message (spam-copy.ts).
import type { Message } from "../mail/message.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Proofs } from "../spamrules/evals/eval.ts";
import type { Finding } from "../verdict/finding.ts";
import { firstOctets, scorerCopy, type CopyFacts } from "./spam-copy.ts";
import { NO_PROOFS } from "./spam-proofs.ts";
import type { Opinion, Scorer } from "./spam-scorer.ts";

export interface SpamMeans extends CopyFacts {
  readonly scorer: Scorer;
  /** Octets of a message above which `oversize` holds. */
  readonly maxSize: number;
  readonly oversize: "truncate" | "skip";
  /** Whose preferences: "" = the server's, "recipient" = the recipient's when there is exactly one, else that user's. */
  readonly user: string;
  /** What earlier checks know of where a message comes from; null: the scorer finds out itself, or does without. */
  readonly proofs:
    | ((message: Message, findings: readonly Finding[], signal: AbortSignal) => Promise<Proofs>)
    | null;
}

export const SPAM_SCORED: SymbolSpec = {
  symbol: "SPAM_SCORED",
  category: "spam",
  score: 0,
  meaning:
    "spamd or postern's engine for its rules has scored the message; its rules stand beside this with their own names.",
};
const TRUNCATED: SymbolSpec = {
  symbol: "SPAM_TRUNCATED",
  category: "note",
  score: 0,
  meaning: "The message is larger than max_size of [spam] or [spamd]: only its start was scored.",
};
const PARTIAL: SymbolSpec = {
  symbol: "SPAM_PARTIAL",
  category: "unchecked",
  score: 0,
  meaning:
    "Not all rules ran within [spam] deadline: what had hit by then counts, and the rule under way is named.",
};
const SILENT: SymbolSpec = {
  symbol: "SPAM_DNS_SILENT",
  category: "note",
  score: 0,
  meaning:
    "DNS did not answer all that the spam rules asked, in time: rules without an answer did not hit.",
};
const UNCHECKED: SymbolSpec = {
  symbol: "UNCHECKED_SPAM",
  category: "unchecked",
  score: 0,
  meaning: "The scorer gave no answer, or the message is larger than its max_size and skipped.",
};

/** Between spamd's total and the sum of exact scores lies no more than rounding (it writes 4.9 for 4.96 below a threshold of 5). */
const ROUNDING = 0.11;

/** The check. Throws when the scorer has no answer. */
export const spam = (means: SpamMeans): Check<"message"> => ({
  name: "spam",
  stage: "message",
  tier: "score",
  symbols: [SPAM_SCORED, TRUNCATED, PARTIAL, SILENT, UNCHECKED],
  async run(message, { findings, signal }) {
    const { size } = message.body;
    const over = size > means.maxSize;
    if (over && means.oversize === "skip")
      return [ours(UNCHECKED, `${size} octets are more than max_size ${means.maxSize}`)];
    const whole = scorerCopy(message, findings, means);
    const copy = over ? await firstOctets(whole, means.maxSize) : whole;
    const proofs = (await means.proofs?.(message, findings, signal)) ?? NO_PROOFS;
    const { id, listener: from } = message.envelope;
    const asked = { id, from, user: userOf(message, means.user), findings, proofs };
    const scored = await means.scorer.score(copy, asked, signal);
    if (scored.kind === "error") throw new Error(scored.why);
    return [
      ...findingsOf(scored),
      ...(scored.partial === null ? [] : [ours(PARTIAL, scored.partial)]),
      ...(scored.silent ? [ours(SILENT, scored.silent)] : []),
      ...(over ? [ours(TRUNCATED, `the first ${copy.size} of ${size} octets were scored`)] : []),
    ];
  },
});

/** The scorer's words about autolearn, "autolearn=unavailable" when it said none; null when no scorer answered. */
export function autolearnOf(findings: readonly Finding[]): string | null {
  const scored = findings.find(
    ({ check, symbol }) => check === "spam" && symbol === SPAM_SCORED.symbol,
  );
  if (scored === undefined) return null;
  return (
    /, (autolearn=[a-z]+(?: autolearn_force=[a-z]+)?)$/.exec(scored.detail)?.[1] ??
    "autolearn=unavailable"
  );
}

function findingsOf({ total, required, rules, exact, autolearn, by }: Opinion): Finding[] {
  const learned = autolearn === null ? "" : `, ${autolearn}`;
  const found = [
    ours(SPAM_SCORED, `${total} points (${required} are spam to it) by ${by}${learned}`),
    ...rules.map(({ name, score, detail = "" }) => theirs(name, score, detail)),
  ];
  const rest = rounded(total - rules.reduce((sum, { score }) => sum + score, 0));
  // Scores to a tenth do not add up to the total, and a report of the operator's own may name no rules at all.
  if (rest !== 0 && !(exact && Math.abs(rest) <= ROUNDING)) found.push(theirs("SPAMD_REST", rest));
  return found;
}

function userOf({ envelope }: Message, user: string): string | null {
  if (user !== "recipient") return user === "" ? null : user;
  const once = new Set(envelope.recipients.map(({ address }) => address.raw));
  const [only] = once;
  return once.size === 1 && only !== undefined ? only : null;
}

/** scores.rules may change the points of either: the engine sees to it. */
function ours({ symbol, category, score }: SymbolSpec, detail: string): Finding {
  return { check: "spam", symbol, category, score, detail };
}

function theirs(symbol: string, score: number, detail = ""): Finding {
  return { check: "spam", symbol, foreign: "spamd", category: "spam", score, detail };
}

function rounded(score: number): number {
  return Math.round(score * 1000) / 1000 + 0;
}

/** For the tables of what there is: never asked. */
export const NO_SCORER: SpamMeans = {
  scorer: { score: async () => ({ kind: "error", why: "" }) },
  maxSize: 0,
  oversize: "skip",
  user: "",
  proofs: null,
  hostname: "",
  product: "",
  mtaNames: new Set(),
};
