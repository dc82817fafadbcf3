// Whether a message may be learned without a person: only what the other rules are sure about, and never against Bayes. SpamAssassin's
// conditions. Pure; asked by whoever has scored a message.
import type { Definition, Rule, RuleBook } from "../rulebook.ts";

export interface AutolearnMeans {
  readonly book: RuleBook;
  /** The score set in use: 0 to 3. */
  readonly scoreSet: number;
  /** Names of the rules that a meta rule names. */
  readonly dependencies: (meta: Rule) => readonly string[];
}

export interface AutolearnLimits {
  /** Below this it is ham. */
  readonly ham: number;
  /** From this on it is spam. */
  readonly spam: number;
}

/** Points that must come from the header and from the body each. */
const LEAST_OF_EACH = 3;
/** Points of Bayes itself that forbid the opposite. */
const DISAGREES = 1;

/** `hits`: the rules that hit, without "__" ones; `isSpam`: what the message was found to be. */
export function autolearnClass(
  hits: Iterable<string>,
  isSpam: boolean,
  means: AutolearnMeans,
  limits: AutolearnLimits,
): "spam" | "ham" | null {
  const points = pointsOf(hits, means);
  if (points.all < limits.ham) return points.learned > DISAGREES || isSpam ? null : "ham";
  if (points.all < limits.spam) return null;
  const least = points.forced ? -99 : LEAST_OF_EACH;
  if (points.body < least || points.head < least) return null;
  return points.learned < -DISAGREES || !isSpam ? null : "spam";
}

interface Points {
  readonly all: number;
  readonly head: number;
  readonly body: number;
  readonly learned: number;
  /** A rule that is sure enough alone has hit. */
  readonly forced: boolean;
}

/** Counted in the score set without Bayes, or what Bayes believes would teach it. */
function pointsOf(hits: Iterable<string>, means: AutolearnMeans): Points {
  const { book, scoreSet } = means;
  let [all, head, body, learned, forced] = [0, 0, 0, 0, false];
  for (const name of hits) {
    const rule = book.rules.get(name);
    if (rule === undefined || rule.flags.has("noautolearn") || rule.flags.has("userconf")) continue;
    if (rule.flags.has("learn")) {
      learned += rule.scores[scoreSet] ?? 0;
      continue;
    }
    forced ||= rule.flags.has("autolearn_force");
    const score = rule.scores[scoreSet & 1] ?? 0;
    if (score === 0) continue;
    const share = sharesOf(rule, means);
    head += share.head === 1 ? score : thousandths(score * share.head);
    body += share.body === 1 ? score : thousandths(score * share.body);
    all += score;
  }
  return { all: thousandths(all), head, body, learned, forced };
}

const thousandths = (value: number): number => Number(value.toFixed(3));

function sharesOf(
  rule: Rule,
  { book, dependencies }: AutolearnMeans,
): { head: number; body: number } {
  if (rule.flags.has("autolearn_header")) return { head: 1, body: 0 };
  if (rule.flags.has("autolearn_body")) return { head: 0, body: 1 };
  const side = sideOf(rule.definition);
  if (side !== "meta") return { head: side === "head" ? 1 : 0, body: side === "body" ? 1 : 0 };
  let [heads, bodies] = [0, 0];
  for (const name of dependencies(rule)) {
    const of = book.rules.get(name);
    const part = of === undefined ? null : sideOf(of.definition);
    if (part === "head") heads++;
    else if (part === "body") bodies++;
  }
  const both = heads + bodies;
  return both === 0 ? { head: 0, body: 0 } : { head: heads / both, body: bodies / both };
}

function sideOf(definition: Definition): "head" | "body" | "meta" | null {
  switch (definition.type) {
    case "header":
    case "exists":
      return "head";
    case "body":
    case "rawbody":
    case "uri":
    case "uri_detail":
    case "mimeheader":
      return "body";
    case "meta":
      return "meta";
    case "eval":
      if (definition.on === "header") return "head";
      return definition.on === "rbl" || definition.on === "full" ? null : "body";
    case "full":
    case "askdns":
    case "empty":
      return null;
  }
}
