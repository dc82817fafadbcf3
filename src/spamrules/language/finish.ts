// When all lines are read: points that nobody gave, tags in patterns, sums over rules_matching, flags and priorities that metas hand to
// what they name, networks that contradict one another. Then the draft is a book.
import { createHash } from "node:crypto";
import type { Definition, Problem, Rule, RuleBook } from "../rulebook.ts";
import { complain, remark } from "./draft.ts";
import type { Draft, Scores } from "./draft.ts";
import { expandGlobs, namesIn } from "./meta.ts";
import { sortMetas } from "./meta-order.ts";
import type { RuleTexts } from "./read.ts";
import { replaceTags } from "./replace-tags.ts";
import { settingsOf } from "./settings.ts";

const TEXTCAT = "Mail::SpamAssassin::Plugin::TextCat";
const NET_PRIORITY = -100;
const MIME_HITS = 1000;
const FORKING: Readonly<Record<string, string>> = {
  check_razor2: "razor_fork",
  check_razor2_range: "razor_fork",
  check_pyzor: "pyzor_fork",
};

export function finish(draft: Draft, sources: RuleTexts): RuleBook {
  // Points first: SpamAssassin gives them before tags are handed on.
  const scores = new Map([...draft.tests.keys()].map((name) => [name, scoresOf(draft, name)]));
  const definitions = new Map<string, Definition>();
  for (const [name, { definition }] of draft.tests)
    definitions.set(name, finished(draft, name, definition));
  const metas = metasOf(draft, definitions);
  startEarly(draft, definitions);
  handDown(draft, metas);
  const rules = new Map<string, Rule>();
  for (const [name, { place }] of draft.tests) {
    const definition = definitions.get(name) ?? { type: "empty" };
    rules.set(name, rule(draft, name, definition, scores.get(name) ?? [1, 1, 1, 1], place));
  }
  const settings = settingsOf(draft, modelsFor(draft, sources));
  const problems: readonly Problem[] = draft.problems;
  return { rules, settings, problems, version: versionOf(draft, sources) };
}

function scoresOf(draft: Draft, name: string): Scores {
  const given = draft.scores.get(name);
  if (given !== undefined) return given;
  const points = name.startsWith("T_") ? 0.01 : 1;
  const own = flagged(draft, name, "nice") ? -points : points;
  return [own, own, own, own];
}

function finished(draft: Draft, name: string, definition: Definition): Definition {
  if (definition.type === "meta") {
    const expression = expandGlobs(definition.expression, name, draft.tests.keys());
    return expression === definition.expression ? definition : { type: "meta", expression };
  }
  const tagged = ["header", "body", "rawbody", "full", "uri"].includes(definition.type);
  if (!tagged || !draft.replacing.rules.has(name) || !("pattern" in definition)) return definition;
  const pattern = replaceTags(definition.pattern, draft.replacing);
  if (pattern !== null) return { ...definition, pattern };
  complain(draft, `${name}: too long once its tags are replaced`, draft.tests.get(name)?.place);
  return definition;
}

/** Each meta that can be answered, dependents before what they depend on. */
function metasOf(
  draft: Draft,
  definitions: ReadonlyMap<string, Definition>,
): readonly (readonly [string, readonly string[]])[] {
  const metas = new Map<string, readonly string[]>();
  for (const [name, definition] of definitions)
    if (definition.type === "meta") metas.set(name, namesIn(definition.expression));
  const { order, circular } = sortMetas(metas);
  for (const name of circular)
    complain(draft, `${name}: depends on itself, never hits`, draft.tests.get(name)?.place);
  return order.map((name) => [name, metas.get(name) ?? []] as const).reverse();
}

/** Razor and Pyzor ask in the background unless told otherwise, and so begin with the other questions to the network. */
function startEarly(draft: Draft, definitions: ReadonlyMap<string, Definition>): void {
  for (const [name, definition] of definitions) {
    const fork = definition.type === "eval" ? FORKING[definition.function] : undefined;
    if (fork !== undefined && draft.others.get(fork)?.at(-1) !== "0")
      draft.priorities.set(name, NET_PRIORITY);
  }
}

/** What a meta names runs no later than itself; a meta over a network rule is one. */
function handDown(draft: Draft, metas: readonly (readonly [string, readonly string[]])[]): void {
  for (const [name, names] of metas) {
    const own = draft.priorities.get(name) ?? 0;
    for (const other of names) {
      if (!draft.tests.has(other) || (draft.priorities.get(other) ?? 0) <= own) continue;
      const waits = own < NET_PRIORITY && flagged(draft, other, "net");
      draft.priorities.set(other, waits ? NET_PRIORITY : own);
    }
  }
  for (const [name, names] of metas.toReversed()) {
    if (flagged(draft, name, "net")) continue;
    if (names.some((other) => flagged(draft, other, "net")))
      draft.flags.set(name, `${draft.flags.get(name) ?? ""} net`);
  }
}

function rule(
  draft: Draft,
  name: string,
  definition: Definition,
  scores: Scores,
  place: { readonly file: string; readonly line: number },
): Rule {
  const given = flagsIn((draft.flags.get(name) ?? "").toLowerCase());
  const flags = new Set(given.filter((flag) => flag !== "multiple" && !/^maxhits=/.test(flag)));
  const priority = draft.priorities.get(name) ?? 0;
  return {
    name,
    file: place.file,
    line: place.line,
    definition,
    scores,
    describe: draft.descriptions.get(name) ?? "",
    flags,
    maxHits: given.includes("multiple") ? maxHits(given, definition) : 1,
    priority: priority === 0 && flags.has("net") ? NET_PRIORITY : priority,
    shortcircuit: draft.shortcircuits.get(name) ?? null,
  };
}

function maxHits(flags: readonly string[], definition: Definition): number {
  const given = flags.map((flag) => /^maxhits=(\d+)$/.exec(flag)?.[1]).find(Boolean);
  const all = definition.type === "mimeheader" ? MIME_HITS : Infinity;
  // 0 is no limit, except where SpamAssassin counts first and asks afterwards.
  const zero = definition.type === "header" || definition.type === "mimeheader" ? 1 : all;
  return given === undefined ? all : Number(given) || zero;
}

/** SpamAssassin looks for words in the line: "multiple,maxhits=5" is two flags as well. */
function flagsIn(text: string): string[] {
  return text.split(/[^\w=-]+/).filter((flag) => flag !== "");
}

function flagged(draft: Draft, name: string, flag: string): boolean {
  const flags = draft.flags.get(name);
  return flags !== undefined && new RegExp(`\\b${flag}\\b`).test(flags);
}

/** TextCat does nothing without its models. */
function modelsFor(draft: Draft, { languages }: RuleTexts): string | null {
  if (!draft.plugins.has(TEXTCAT)) return null;
  if (languages === undefined)
    remark(draft, 'TextCat: no file "languages" beside the rules, so no language is guessed');
  return languages?.octets ?? null;
}

function versionOf(draft: Draft, sources: RuleTexts): string {
  const hash = createHash("sha256").update(`${draft.version} ${draft.perlVersion} ${draft.local}`);
  const add = (file: string, octets: string): void => {
    hash.update(`\0${file}\0${octets.length}\0`).update(octets, "latin1");
  };
  for (const { file, octets } of sources.texts) add(file, octets);
  if (sources.languages !== undefined) add(sources.languages.file, sources.languages.octets);
  for (const files of sources.includes.values())
    for (const list of files.values()) for (const { file, octets } of list) add(file, octets);
  return hash.digest("hex").slice(0, 16);
}
