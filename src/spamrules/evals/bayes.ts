// SpamAssassin's Bayes plugin: ranges of the chance of spam. The chance itself comes from outside the thread (bayes/tokens.ts says of what,
// bayes/chance.ts how), so that these rules are settled when it is there.
import type { RuleBook } from "../rulebook.ts";
import type { Evals } from "./eval.ts";

/** Above the first number, up to and with the second; from 0 on everything, up to "undef" too. */
function inRange(chance: number, [from = "0", to = "undef"]: readonly string[]): boolean {
  return (Number(from) === 0 || chance > Number(from)) && (to === "undef" || chance <= Number(to));
}

export const BAYES: Evals = {
  check_bayes: ({ bayes = null }, args) => bayes !== null && inRange(bayes, args),
};

/** The names of the rules that a chance makes hit. */
export function bayesHits(book: RuleBook, chance: number): readonly string[] {
  const names: string[] = [];
  for (const { name, definition } of book.rules.values())
    if (
      definition.type === "eval" &&
      definition.function === "check_bayes" &&
      inRange(chance, definition.args)
    )
      names.push(name);
  return names;
}
