// The X-Spam-* fields in amavis' exact form, folding included: delivered mail and the quarantine copy show the score with them.
import { fieldLine, piecedLine } from "../mail/field-line.ts";

export interface SpamFacts {
  readonly score: number;
  /** Level from which the fields are written; -Infinity = always, null = never. */
  readonly tag: number | null;
  readonly tag2: number;
  readonly kill: number;
  /** In the order in which they shall stand. */
  readonly tests: readonly { readonly symbol: string; readonly score: number }[];
  /** The scorer's own words ("autolearn=no autolearn_force=no"), or null when no scorer answered. */
  readonly autolearn: string | null;
}

const MAX_LEVEL = 64;
const MAX_TESTS = 500;

/** X-Spam-Flag, -Score, -Level and -Status; none below the tag level. */
export function spamFields(spam: SpamFacts): readonly string[] {
  if (spam.tag === null || spam.score < spam.tag) return [];
  return [
    fieldLine("X-Spam-Flag", spam.score >= spam.tag2 ? "YES" : "NO"),
    fieldLine("X-Spam-Score", points(spam.score)),
    fieldLine("X-Spam-Level", "*".repeat(Math.max(0, Math.min(MAX_LEVEL, Math.trunc(spam.score))))),
    piecedLine("X-Spam-Status", statusPieces(spam, spam.tag)),
  ];
}

/** At most three decimals, trailing zeros trimmed: "8.672", "1000", "-0.1". */
export function points(score: number): string {
  const text = score.toFixed(3).replace(/\.?0+$/, "");
  return text === "-0" ? "0" : text;
}

/** What may not be torn apart stands in one piece, as amavis has it: each test, and all words about autolearn. */
function statusPieces(spam: SpamFacts, tag: number): readonly string[] {
  const tests = spam.tests
    .slice(0, MAX_TESTS)
    .map(
      ({ symbol, score }) =>
        `${symbol.slice(0, 100).replace(/[^!-~]|[,=[\]]/g, "_")}=${points(score)}`,
    );
  return [
    spam.score >= spam.tag2 ? "Yes," : "No,",
    `score=${points(spam.score)}`,
    Number.isFinite(tag) ? `tagged_above=${points(tag)}` : "",
    `required=${points(spam.tag2)}`,
    // "none" is SpamAssassin's own word: it was asked, and no rule of it holds.
    ...`tests=[${tests.length === 0 && spam.autolearn !== null ? "none" : tests.join(",\n")}]`.split(
      "\n",
    ),
    spam.autolearn?.slice(0, 100) ?? "",
  ];
}
