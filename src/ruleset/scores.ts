// scores.rules: `score SYMBOL NUMBER`, the operator's points in place of a check's own. Called by compile.ts.
import type { RuleError } from "./errors.ts";
import type { Line, Verbs } from "./grammar.ts";
import { hint } from "./suggest.ts";

export const SCORE_VERBS: Verbs = { score: { words: [2, 2], usage: "score SYMBOL NUMBER" } };

/** Points by symbol, the first line of a symbol; unknown symbols are warnings when `symbols` is given. */
export function compileScores(
  lines: readonly Line[],
  symbols: readonly string[] | undefined,
  errors: RuleError[],
  warnings: RuleError[],
): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  for (const { file, line, words } of lines) {
    const [symbol = "", number = ""] = words;
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(symbol))
      errors.push({
        file,
        line,
        message: `"${symbol}" is no symbol: upper-case letters, digits and _`,
      });
    else if (!/^[+-]?\d{1,6}(\.\d{1,6})?$/.test(number))
      errors.push({ file, line, message: `"${number}" is no number of points` });
    else {
      if (symbols !== undefined && !symbols.includes(symbol))
        warnings.push({
          file,
          line,
          message: `no check reports "${symbol}"${hint(symbol, symbols)}`,
        });
      if (!scores.has(symbol)) scores.set(symbol, Number(number));
    }
  }
  return scores;
}
