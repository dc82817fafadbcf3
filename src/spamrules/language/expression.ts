// The arithmetic of `meta` lines and `if` lines: Perl's operators with Perl's precedence, read into a tree. What tokens may be, the two
// kinds of line decide for themselves (meta.ts, condition.ts).

/** Operators of one level applied from left to right; "&&" and "||" give an operand back, as in Perl. */
export type Expression =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "call"; readonly name: string; readonly argument: string }
  | { readonly kind: "unary"; readonly operator: "!" | "-" | "+"; readonly of: Expression }
  | {
      readonly kind: "fold";
      readonly level: Level;
      readonly first: Expression;
      readonly rest: readonly (readonly [operator: string, operand: Expression])[];
    }
  | {
      readonly kind: "choice";
      readonly when: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
    };

export type Level = "or" | "and" | "xor" | "equal" | "order" | "sum" | "product";

/** How a word is read: a value, or a function whose argument follows in parentheses. null: it may not stand here. */
export type Word = (word: string) => Expression | "function" | null;

const LEVELS: readonly (readonly [Level, readonly string[]])[] = [
  ["or", ["||"]],
  ["and", ["&&"]],
  ["xor", ["^"]],
  ["equal", ["==", "!="]],
  ["order", ["<", ">", "<=", ">="]],
  ["sum", ["+", "-"]],
  ["product", ["*", "/"]],
];
const TOKEN = /[-+\d.]+|\w[\w:]*|[()]|\|\||&&|\^|!(?!=)|>=?|<=?|==|!=|[-+*/]|[?:]/g;
const MAX_TOKENS = 20_000;
const MAX_DEPTH = 100;

/** SpamAssassin's tokens: whatever is none between them is skipped without a word. */
export function tokensOf(text: string): string[] {
  return text.match(TOKEN) ?? [];
}

/** The tree of tokens, or why there is none. Bounded in length and depth. */
export function parseExpression(tokens: readonly string[], word: Word): Expression | string {
  if (tokens.length === 0) return "it is empty";
  if (tokens.length > MAX_TOKENS) return `it has more than ${MAX_TOKENS} words`;
  try {
    return new Reader(tokens, word).whole();
  } catch (cause) {
    if (cause instanceof SyntaxError) return cause.message;
    throw cause;
  }
}

class Reader {
  readonly #tokens: readonly string[];
  readonly #word: Word;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly string[], word: Word) {
    this.#tokens = tokens;
    this.#word = word;
  }

  whole(): Expression {
    const tree = this.#choice();
    const next = this.#tokens[this.#at];
    if (next !== undefined) throw new SyntaxError(`an operator is missing before "${next}"`);
    return tree;
  }

  #choice(): Expression {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError("it is nested too deep");
    const when = this.#level(0);
    let tree = when;
    if (this.#take("?")) {
      const then = this.#choice();
      if (!this.#take(":")) throw new SyntaxError('":" is missing');
      tree = { kind: "choice", when, then, otherwise: this.#choice() };
    }
    this.#depth--;
    return tree;
  }

  #level(index: number): Expression {
    const entry = LEVELS[index];
    if (entry === undefined) return this.#unary();
    const [level, operators] = entry;
    const first = this.#level(index + 1);
    const rest: [string, Expression][] = [];
    for (;;) {
      const next = this.#tokens[this.#at];
      if (next === undefined || !operators.includes(next)) break;
      this.#at++;
      rest.push([next, this.#level(index + 1)]);
    }
    return rest.length === 0 ? first : { kind: "fold", level, first, rest };
  }

  #unary(): Expression {
    const signs: ("!" | "-" | "+")[] = [];
    for (;;) {
      const next = this.#tokens[this.#at];
      if (next !== "!" && next !== "-" && next !== "+") break;
      this.#at++;
      signs.push(next);
      if (signs.length > MAX_DEPTH) throw new SyntaxError("it is nested too deep");
    }
    let tree = this.#operand();
    for (const operator of signs.reverse()) tree = { kind: "unary", operator, of: tree };
    return tree;
  }

  #operand(): Expression {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new SyntaxError("it ends too early");
    if (token === "(") {
      // "()" is no value in Perl and counts as 0.
      if (this.#take(")")) return { kind: "number", value: 0 };
      const inner = this.#choice();
      if (!this.#take(")")) throw new SyntaxError('")" is missing');
      return inner;
    }
    if (/^(?:\d+(?:\.\d+)?)$/.test(token)) return { kind: "number", value: Number(token) };
    const read = /^\w/.test(token) ? this.#word(token) : null;
    if (read === null) throw new SyntaxError(`"${token}" may not stand here`);
    return read === "function" ? this.#call(token) : read;
  }

  #call(name: string): Expression {
    const open = this.#take("(");
    const argument = this.#tokens[this.#at++] ?? "";
    if (!open || !this.#take(")")) throw new SyntaxError(`${name} wants one name in parentheses`);
    return { kind: "call", name, argument };
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }
}
