// `meta` lines: whether one is believed, what it depends on, and the function that answers it. The rules of a book refer to one another
// by name; whoever compiles gives each name a place in an array of hit counts.
import { type Bounds, bounds } from "./bounds.ts";
import { calculation, valueAtRest } from "./calculate.ts";
import type { Calculation, Resolve } from "./calculate.ts";
import { parseExpression, tokensOf } from "./expression.ts";
import type { Expression } from "./expression.ts";

export interface Meta {
  /** Each rule that it names, once, in the order of the text. */
  readonly names: readonly string[];
  /**
   * The value for these counts (0 is no hit). What counts as the rule's own hits is `hitsOf` of it. `atRest` tells what it is when no rule
   * that it names has hit: where that is 0 it need not be asked unless one of them has.
   */
  readonly evaluate: Calculation;
  readonly atRest: number;
  /** Between which values the value is while counts are missing. */
  readonly bounds: Bounds;
}

export const RULE_NAME = /^[_a-zA-Z][_a-zA-Z0-9]{0,127}$/;
const GLOBS = /(?<!_)\brules_matching\(\s*([_a-zA-Z*?][_a-zA-Z0-9*?]{0,127})\s*\)/g;
/** Perl would run these; SpamAssassin refuses them. */
const FORBIDDEN = /::|->|[$@%;{}]/;
const NUMBER_OR_OPERATOR = /^(?:\d+(?:\.\d+)?|[!-/:-@[-`{-~]{1,2})$/;

/** Why a line is refused, or null. As SpamAssassin tries it: every name 0, so a bare `A / B` divides by zero and is refused. */
export function metaFault(text: string): string | null {
  if (FORBIDDEN.test(text)) return "it holds characters that no expression has";
  const tokens = tokensOf(text.replace(GLOBS, " 0 "));
  const odd = tokens.find((token) => !RULE_NAME.test(token) && !NUMBER_OR_OPERATOR.test(token));
  if (odd !== undefined) return `"${odd}" is neither a name nor a number nor an operator`;
  const tree = parseTokens(tokens);
  if (typeof tree === "string") return tree;
  return valueAtRest(tree) === null ? "it may divide by zero" : null;
}

/** With each rules_matching(GLOB) written out as a sum of the rules of that form, without `self`; (0) when there are none. */
export function expandGlobs(text: string, self: string, names: Iterable<string>): string {
  if (!text.includes("rules_matching")) return text;
  return text.replace(GLOBS, (_whole, glob: string) => {
    const found = [...names].filter((name) => name !== self && fits(name, glob)).sort();
    return ` (${found.length === 0 ? "0" : found.join(" + ")}) `;
  });
}

/** The rules that an expression of a book names, each once. */
export function namesIn(expression: string): string[] {
  const names = tokensOf(expression).filter(
    (token) => RULE_NAME.test(token) && token !== "local_tests_only",
  );
  return [...new Set(names)];
}

/**
 * Compiles an expression of a book. `indexOf` gives the place of a rule in the counts, -1 when there is none (it counts as 0). An expression
 * that cannot be read never hits (no book holds one).
 */
export function compileMeta(
  expression: string,
  indexOf: (rule: string) => number,
  local: boolean,
): Meta {
  const tree = parseTokens(tokensOf(expression));
  const names = namesIn(expression);
  if (typeof tree === "string") {
    const nothing = bounds({ kind: "number", value: 0 }, () => ({ value: 0 }));
    return { names: [], evaluate: () => 0, atRest: 0, bounds: nothing };
  }
  const resolve: Resolve = (leaf) => {
    if (leaf.name === "local_tests_only") return { value: local ? 1 : 0 };
    return { index: indexOf(leaf.name) };
  };
  const evaluate = calculation(tree, resolve);
  return { names, evaluate, atRest: evaluate([]), bounds: bounds(tree, resolve) };
}

/** How often a meta with this value has hit: itself, at least 1 (also for values below 0). */
export function hitsOf(value: number): number {
  return value === 0 ? 0 : value < 0 ? 1 : value;
}

/** Whether a name has the form of a glob with "*" and "?"; one step back at most, so never slow. */
function fits(name: string, glob: string): boolean {
  let [at, within, star, mark] = [0, 0, -1, 0];
  while (at < name.length) {
    if (glob[within] === "*") {
      star = within++;
      mark = at;
    } else if (glob[within] === "?" || glob[within] === name[at]) {
      within++;
      at++;
    } else if (star >= 0) {
      within = star + 1;
      at = ++mark;
    } else return false;
  }
  while (glob[within] === "*") within++;
  return within === glob.length;
}

function parseTokens(tokens: readonly string[]): Expression | string {
  return parseExpression(tokens.flatMap(signs), (word) =>
    RULE_NAME.test(word) ? { kind: "name", name: word } : null,
  );
}

/** Signs that stand together are one token to SpamAssassin and two to Perl; a sign doubled changes a variable in Perl, so it stays one. */
function signs(token: string): string[] {
  return token === "+-" || token === "-+" ? [...token] : [token];
}
