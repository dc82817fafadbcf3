// scores.rules: `score SYMBOL NUMBER`, or `score spamd:NAME NUMBER` for a rule of spamd's: the operator's points in place of a
// check's own. Called by compile.ts.
import type { RuleError } from "./errors.ts";
import type { Line, Verbs } from "./grammar.ts";
import { hint, nearest } from "./suggest.ts";

export const SCORE_VERBS: Verbs = { score: { words: [2, 2], usage: "score SYMBOL NUMBER" } };

/** A name of spamd's rules: which there are only spamd knows. */
const FOREIGN = /^spamd:[A-Za-z][A-Za-z0-9_]{0,127}$/;

/** Points by symbol, the first line of a symbol; unknown symbols of ours are warnings when `symbols` is given. */
export function compileScores(
  lines: readonly Line[],
  symbols: readonly string[] | undefined,
  errors: RuleError[],
  warnings: RuleError[],
): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  for (const { file, line, words } of lines) {
    const [symbol = "", number = ""] = words;
    const foreign = FOREIGN.test(symbol);
    if (!foreign && !/^[A-Z][A-Z0-9_]{0,63}$/.test(symbol))
      errors.push({
        file,
        line,
        message: `"${symbol}" is no symbol: upper-case letters, digits and _, or spamd:NAME`,
      });
    else if (!/^[+-]?\d{1,6}(\.\d{1,6})?$/.test(number))
      errors.push({ file, line, message: `"${number}" is no number of points` });
    else {
      if (!foreign && symbols !== undefined && !symbols.includes(symbol))
        warnings.push({
          file,
          line,
          message: `no check reports "${symbol}"${nearest(symbol, symbols) === null ? `; a rule of SpamAssassin's is spamd:${symbol} here` : hint(symbol, symbols)}`,
        });
      if (!scores.has(symbol)) scores.set(symbol, Number(number));
    }
  }
  return scores;
}
