// Rules sorted by the text that they read, with a prefilter for each kind of text. Used by program.ts; run.ts goes through them.
import { Prefilter } from "../pattern/prefilter.ts";
import type { FieldName, Rule } from "../rulebook.ts";
import type { Matcher, Matchers } from "./matcher.ts";
import { isPlain } from "./mime-headers.ts";

/** Rules that read the same texts. */
export interface Group {
  /** Those that the prefilter knows, by its numbers. */
  readonly matchers: readonly Matcher[];
  readonly prefilter: Prefilter;
  /** For plain texts (pattern/narrow.ts): the same one where they make no difference. */
  readonly plain: Prefilter;
  /** Those that have to run anyway: header rules that are negated, or whose pattern is made for each message. */
  readonly others: readonly Matcher[];
}

export interface FieldGroup extends Group {
  /** As Subject.get() takes it. */
  readonly field: string;
  readonly exists: readonly Matcher[];
  /** Those that may have something to say of a message without the field. */
  readonly missing: readonly Matcher[];
}

/** Rules that read the same field of each part. */
export interface MimeGroup extends Group {
  readonly field: FieldName;
  /** For explanations. */
  readonly name: string;
}

export interface MimePlan {
  readonly groups: readonly MimeGroup[];
  /** Those that do not look at each part by itself, or want more than one hit. */
  readonly others: readonly Matcher[];
}

export interface TextPlan {
  readonly fields: readonly FieldGroup[];
  readonly body: Group;
  readonly uri: Group;
  readonly rawbody: Group;
  readonly full: Group;
  readonly mimeHeaders: MimePlan;
  readonly uriDetails: readonly Matcher[];
}

type FactsOf = Matchers["facts"];

export function planTexts(matchers: readonly Matcher[], facts: FactsOf): TextPlan {
  const of = (type: string): readonly Matcher[] =>
    matchers.filter(({ rule }) => rule.definition.type === type);
  return {
    fields: fieldGroups(matchers, facts),
    body: group(of("body"), facts),
    uri: group(of("uri"), facts),
    rawbody: group(of("rawbody"), facts),
    full: group(of("full"), facts),
    mimeHeaders: mimePlan(of("mimeheader"), facts),
    uriDetails: of("uri_detail"),
  };
}

/** The name that Subject.get() knows a field by. */
export function fieldKey({ name, modifiers }: FieldName): string {
  return [name, ...modifiers].join(":");
}

function fieldGroups(matchers: readonly Matcher[], facts: FactsOf): FieldGroup[] {
  const byField = new Map<string, Matcher[]>();
  for (const matcher of matchers) {
    const { definition } = matcher.rule;
    if (definition.type !== "header" && definition.type !== "exists") continue;
    const key = fieldKey(definition.field);
    const known = byField.get(key);
    if (known === undefined) byField.set(key, [matcher]);
    else known.push(matcher);
  }
  return [...byField].map(([field, all]) => {
    const same = group(
      all.filter(({ rule }) => rule.definition.type === "header"),
      facts,
    );
    return {
      field,
      exists: all.filter(({ rule }) => rule.definition.type === "exists"),
      missing: whenMissing(same),
      ...same,
    };
  });
}

/** Such a field is a text without octets, in which the prefilter would find nothing, or what [if-unset:] says. */
function whenMissing({ matchers, prefilter }: Group): Matcher[] {
  const always = new Set(prefilter.always);
  return matchers.filter(({ rule: { definition }, setsTags }, number) => {
    const isSet = definition.type === "header" && (definition.ifUnset ?? "") !== "";
    return isSet || setsTags || always.has(number);
  });
}

function mimePlan(all: readonly Matcher[], facts: FactsOf): MimePlan {
  const byField = Map.groupBy(all.filter(isPlain), ({ rule }) => fieldKey(fieldOf(rule)));
  const groups = [...byField.values()].map((same) => {
    const field = fieldOf(same[0]!.rule);
    return { ...group(same, facts), field, name: `${field.name} of part` };
  });
  return { groups, others: all.filter((matcher) => !isPlain(matcher)) };
}

function fieldOf({ definition }: Rule): FieldName {
  if (definition.type !== "mimeheader") throw new TypeError(definition.type);
  return definition.field;
}

function group(all: readonly Matcher[], known: FactsOf): Group {
  const matchers = all.filter((matcher) => !runsAnyway(matcher));
  const facts = matchers.map((matcher) => known.get(matcher)!);
  const prefilter = new Prefilter(facts.map(({ sought }) => sought));
  return {
    matchers,
    prefilter,
    plain: facts.every(({ plain }) => plain === null)
      ? prefilter
      : new Prefilter(facts.map(({ sought, plain }) => plain ?? sought)),
    others: all.filter(runsAnyway),
  };
}

/** A field that is not there is a text, too, for those with %{TAGS}. */
function runsAnyway({ rule: { definition }, usesTags }: Matcher): boolean {
  return definition.type === "header" && (usesTags || definition.negated);
}
