// What an expression can come to while the counts of some rules are not known yet: between which values. Where that is 0 and 0 nobody need
// find out. Made beside the functions of calculate.ts.
import { divides, type Resolve } from "./calculate.ts";
import type { Expression } from "./expression.ts";

export interface Known {
  /** Hits so far, by place. */
  readonly counts: ArrayLike<number>;
  /** Not 0: there may be more, `most` in all. */
  readonly pending: ArrayLike<number>;
  readonly most: ArrayLike<number>;
  /** Where the last bounds() puts the lower bound. */
  low: number;
}

/** Gives the upper bound, and leaves the lower one in `known`. Errs on the wide side. */
export type Bounds = (known: Known) => number;

/** As good as no bound. */
export const ENDLESS = 1e9;
/** The least that a value can be which is not 0: counts are whole, but quotients are not. */
const TINY = 1e-9;

type Fold = Extract<Expression, { kind: "fold" }>;

export function bounds(tree: Expression, resolve: Resolve): Bounds {
  return divides(tree) ? ANYTHING : boundsOf(tree, resolve);
}

function boundsOf(tree: Expression, resolve: Resolve): Bounds {
  switch (tree.kind) {
    case "number":
      return constant(tree.value);
    case "unary":
      return unary(tree.operator, boundsOf(tree.of, resolve));
    case "fold":
      return fold(tree, resolve);
    case "choice":
      return choice(boundsOf(tree.then, resolve), boundsOf(tree.otherwise, resolve));
    default: {
      const found = resolve(tree);
      if ("value" in found) return constant(found.value);
      return found.index < 0 ? constant(0) : place(found.index);
    }
  }
}

function constant(value: number): Bounds {
  return (known) => {
    known.low = value;
    return value;
  };
}

function place(index: number): Bounds {
  return (known) => {
    const count = known.counts[index] ?? 0;
    known.low = count;
    return known.pending[index] === 0 ? count : Math.max(count, known.most[index] ?? ENDLESS);
  };
}

const ANYTHING: Bounds = (known) => {
  known.low = -ENDLESS;
  return ENDLESS;
};

function unary(operator: "!" | "-" | "+", of: Bounds): Bounds {
  if (operator === "+") return of;
  return (known) => {
    const high = of(known);
    const { low } = known;
    if (operator === "-") {
      known.low = -high;
      return -low;
    }
    known.low = low === 0 && high === 0 ? 1 : 0;
    return low <= 0 && high >= 0 ? 1 : 0;
  };
}

function choice(then: Bounds, otherwise: Bounds): Bounds {
  return (known) => {
    const high = then(known);
    const { low } = known;
    const other = otherwise(known);
    known.low = Math.min(low, known.low);
    return Math.max(high, other);
  };
}

function fold(tree: Fold, resolve: Resolve): Bounds {
  const operands = [tree.first, ...tree.rest.map(([, operand]) => operand)].map((operand) =>
    boundsOf(operand, resolve),
  );
  const operators = tree.rest.map(([operator]) => operator);
  switch (tree.level) {
    case "and":
      return all(operands);
    case "or":
      return any(operands);
    case "order":
    case "equal":
      return comparison(operands, operators);
    case "sum":
      return sum(operands, operators);
    case "product":
      return product(operands);
    case "xor":
      return ANYTHING;
  }
}

/** 0 as soon as one surely is; else the last one, or 0. */
function all(operands: readonly Bounds[]): Bounds {
  return (known) => {
    let sure = true;
    let high = 0;
    for (const operand of operands) {
      high = operand(known);
      const { low } = known;
      if (low === 0 && high === 0) return 0;
      if (low <= 0 && high >= 0) sure = false;
    }
    if (sure) return high;
    known.low = Math.min(0, known.low);
    return Math.max(0, high);
  };
}

/** The first that is not 0. */
function any(operands: readonly Bounds[]): Bounds {
  return (known) => {
    let low = 0;
    let high = 0;
    for (const operand of operands) {
      const most = operand(known);
      const least = known.low;
      const isSure = least > 0 || most < 0;
      high = Math.max(high, most);
      low = Math.min(low, least);
      if (!isSure) continue;
      known.low = low < 0 ? low : Math.min(least, TINY);
      return high;
    }
    known.low = low;
    return high;
  };
}

function sum(operands: readonly Bounds[], operators: readonly string[]): Bounds {
  return (known) => {
    let high = operands[0]!(known);
    let { low } = known;
    for (let at = 1; at < operands.length; at++) {
      const most = operands[at]!(known);
      const least = known.low;
      const plus = operators[at - 1] === "+";
      high += plus ? most : -least;
      low += plus ? least : -most;
    }
    known.low = low;
    return high;
  };
}

function product(operands: readonly Bounds[]): Bounds {
  return (known) => {
    let high = 1;
    let low = 1;
    for (const operand of operands) {
      const most = operand(known);
      if (known.low < 0) return ANYTHING(known);
      high *= most;
      low *= known.low;
    }
    known.low = low;
    return high;
  };
}

function comparison(operands: readonly Bounds[], operators: readonly string[]): Bounds {
  return (known) => {
    let high = operands[0]!(known);
    let { low } = known;
    let may = true;
    let must = true;
    for (let at = 1; at < operands.length; at++) {
      const most = operands[at]!(known);
      const least = known.low;
      const operator = operators[at - 1]!;
      may &&= can(operator, low, high, least, most);
      must &&= !can(OPPOSITE[operator]!, low, high, least, most);
      high = most;
      low = least;
    }
    known.low = must ? 1 : 0;
    return may ? 1 : 0;
  };
}

const OPPOSITE: Readonly<Record<string, string>> = {
  "<": ">=",
  ">=": "<",
  ">": "<=",
  "<=": ">",
  "==": "!=",
  "!=": "==",
};

/** Whether some value of the one and some value of the other compare so. */
function can(operator: string, low: number, high: number, least: number, most: number): boolean {
  switch (operator) {
    case "<":
      return low < most;
    case "<=":
      return low <= most;
    case ">":
      return high > least;
    case ">=":
      return high >= least;
    case "==":
      return low <= most && least <= high;
    default:
      return !(low === high && least === most && low === least);
  }
}
