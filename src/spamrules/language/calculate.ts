// Expressions become functions of hit counts: closures, made once, no text is ever run as code.
import type { Expression } from "./expression.ts";

/** Reads hit counts by index and gives the value; 0 is false. Never throws; a division by zero makes the whole value 0. */
export type Calculation = (counts: ArrayLike<number>) => number;

type Leaf = Extract<Expression, { kind: "name" | "call" }>;
type Fold = Extract<Expression, { kind: "fold" }>;
/** What a name stands for: an index into the counts, or a value that is fixed (null: not the one, but the other). */
export type Resolve = (
  leaf: Leaf,
) => { readonly index: number } | { readonly value: number } | { readonly index: -1 };

/** Thrown inside, caught by `calculation`: the only value that has no number. */
const BY_ZERO = new RangeError("division by zero");

export function calculation(tree: Expression, resolve: Resolve): Calculation {
  const run = compile(tree, resolve);
  if (!divides(tree)) return run;
  return (counts) => {
    try {
      return run(counts);
    } catch (cause) {
      if (cause === BY_ZERO) return 0;
      throw cause;
    }
  };
}

/** The value with every name 0; null when that divides by zero (then Perl refuses the line). */
export function valueAtRest(tree: Expression): number | null {
  try {
    return compile(tree, () => ({ value: 0 }))([]);
  } catch (cause) {
    if (cause === BY_ZERO) return null;
    throw cause;
  }
}

function compile(tree: Expression, resolve: Resolve): Calculation {
  if (tree.kind === "number") return constant(tree.value);
  if (tree.kind === "unary") return unary(tree.operator, compile(tree.of, resolve));
  if (tree.kind === "fold") return fold(tree, resolve);
  if (tree.kind === "choice") {
    const [when, then, otherwise] = [tree.when, tree.then, tree.otherwise].map((branch) =>
      compile(branch, resolve),
    ) as [Calculation, Calculation, Calculation];
    return (counts) => (when(counts) !== 0 ? then(counts) : otherwise(counts));
  }
  const found = resolve(tree);
  if ("value" in found) return constant(found.value);
  const index = found.index;
  return index < 0 ? constant(0) : (counts) => counts[index] ?? 0;
}

function constant(value: number): Calculation {
  return () => value;
}

function unary(operator: "!" | "-" | "+", of: Calculation): Calculation {
  if (operator === "!") return (counts) => (of(counts) === 0 ? 1 : 0);
  return operator === "-" ? (counts) => -of(counts) : of;
}

function fold(tree: Fold, resolve: Resolve): Calculation {
  const operands = [tree.first, ...tree.rest.map(([, operand]) => operand)];
  if (tree.level === "and" || tree.level === "or") {
    const indices = indicesOf(operands, resolve);
    if (indices !== null) return tree.level === "and" ? allOf(indices) : anyOf(indices);
  }
  const runs = operands.map((operand) => compile(operand, resolve));
  const operators = tree.rest.map(([operator]) => operator);
  if (tree.level === "and") return logical(runs, (value) => value === 0);
  if (tree.level === "or") return logical(runs, (value) => value !== 0);
  if (tree.level === "order" || tree.level === "equal") return comparison(runs, operators);
  return (counts) => {
    let value = runs[0]?.(counts) ?? 0;
    for (let i = 1; i < runs.length; i++)
      value = apply(operators[i - 1] ?? "", value, runs[i]?.(counts) ?? 0);
    return value;
  };
}

/** Stops at the first operand that decides and gives it back. */
function logical(runs: readonly Calculation[], decides: (value: number) => boolean): Calculation {
  return (counts) => {
    let value = 0;
    for (const run of runs) {
      value = run(counts);
      if (decides(value)) return value;
    }
    return value;
  };
}

/** `A < B < C` is `A < B && B < C` (Perl 5.32 and later). */
function comparison(runs: readonly Calculation[], operators: readonly string[]): Calculation {
  return (counts) => {
    let left = runs[0]?.(counts) ?? 0;
    for (let i = 1; i < runs.length; i++) {
      const right = runs[i]?.(counts) ?? 0;
      if (apply(operators[i - 1] ?? "", left, right) === 0) return 0;
      left = right;
    }
    return 1;
  };
}

function apply(operator: string, left: number, right: number): number {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  if (operator === "^") return Math.trunc(left) ^ Math.trunc(right);
  if (operator === "/") {
    if (right === 0) throw BY_ZERO;
    return left / right;
  }
  return compare(operator, left, right) ? 1 : 0;
}

function compare(operator: string, left: number, right: number): boolean {
  if (operator === "==") return left === right;
  if (operator === "!=") return left !== right;
  if (operator === "<") return left < right;
  if (operator === ">") return left > right;
  return operator === "<=" ? left <= right : left >= right;
}

/** Indices where all operands are plain names that can hit; the common case gets a loop without calls. */
function indicesOf(operands: readonly Expression[], resolve: Resolve): Int32Array | null {
  const indices: number[] = [];
  for (const operand of operands) {
    if (operand.kind !== "name") return null;
    const found = resolve(operand);
    if (!("index" in found) || found.index < 0) return null;
    indices.push(found.index);
  }
  return Int32Array.from(indices);
}

function allOf(indices: Int32Array): Calculation {
  return (counts) => {
    let value = 0;
    for (let i = 0; i < indices.length; i++) {
      value = counts[indices[i] ?? 0] ?? 0;
      if (value === 0) return 0;
    }
    return value;
  };
}

function anyOf(indices: Int32Array): Calculation {
  return (counts) => {
    for (let i = 0; i < indices.length; i++) {
      const value = counts[indices[i] ?? 0] ?? 0;
      if (value !== 0) return value;
    }
    return 0;
  };
}

/** Whether there is a division in it: then the whole value may be 0 because of its divisor. */
export function divides(tree: Expression): boolean {
  if (tree.kind === "unary") return divides(tree.of);
  if (tree.kind === "choice") return [tree.when, tree.then, tree.otherwise].some(divides);
  if (tree.kind !== "fold") return false;
  return (
    tree.rest.some(([operator, operand]) => operator === "/" || divides(operand)) ||
    divides(tree.first)
  );
}
