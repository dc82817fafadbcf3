// Why a rule hit, where no pattern has said so itself: the rules that a meta names and that hit, or the eval function that was asked. For
// explanations only. Used by tally.ts.
import { namesIn } from "../language/meta.ts";
import type { Program } from "../program.ts";
import type { RuleHit } from "../verdict.ts";

type Matched = NonNullable<RuleHit["matched"]>;

const MOST_OCTETS = 200;
/** How far metas within metas are told. */
const MOST_DEPTH = 3;

/** `known`: what patterns have matched, by place of the rule. Null where there is nothing to say. */
export function explanation(
  place: number,
  program: Program,
  counts: ArrayLike<number>,
  known: ReadonlyMap<number, Matched>,
): Matched | null {
  const own = known.get(place);
  const definition = program.rules[place]?.definition;
  if (own !== undefined || definition === undefined) return own ?? null;
  switch (definition.type) {
    case "eval":
      return said("function", `${definition.function}(${definition.args.join(", ")})`);
    case "meta":
      return said("rules", ofMeta(definition.expression, program, counts, known));
    case "header":
    case "mimeheader":
      return said(definition.field.name, definition.negated ? "has nothing of it" : "");
    case "exists":
      return said(definition.field.name, "is there");
    default:
      return null;
  }
}

function ofMeta(
  expression: string,
  program: Program,
  counts: ArrayLike<number>,
  known: ReadonlyMap<number, Matched>,
  depth = 1,
): string {
  const { places, rules } = program;
  const names = namesIn(expression);
  const hits = names.filter((name) => (counts[places.get(name) ?? -1] ?? 0) > 0);
  if (hits.length === 0) return names.length === 0 ? "always" : `none of ${names.join(", ")}`;
  return hits
    .map((name) => {
      const place = places.get(name) ?? -1;
      const matched = known.get(place);
      if (matched !== undefined) return `${name} (${matched.where}: ${matched.text})`;
      const inner = rules[place]?.definition;
      if (inner?.type !== "meta" || depth === MOST_DEPTH) return name;
      return `${name} (${ofMeta(inner.expression, program, counts, known, depth + 1)})`;
    })
    .join(", ");
}

function said(where: string, text: string): Matched | null {
  return text === "" ? null : { where, text: text.slice(0, MOST_OCTETS) };
}
