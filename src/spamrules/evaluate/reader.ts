// Meets texts with patterns, and tells the tally what hit. The prefilter of a group says which rules a text may match at all; only
// those run. Used by run.ts.
import { hasLeast } from "../pattern/least.ts";
import { type Alphabet, alphabetOf } from "../pattern/narrow.ts";
import type { Prefilter } from "../pattern/prefilter.ts";
import type { Captured } from "../pattern/translate.ts";
import type { Rule } from "../rulebook.ts";
import type { Subject } from "../subject.ts";
import type { Matcher } from "./matcher.ts";
import { fieldTexts, partTexts } from "./mime-headers.ts";
import type { MetText, Postponed } from "./postponed.ts";
import type { Tally } from "./tally.ts";
import type { Templates } from "./templates.ts";
import type { FieldGroup, Group, MimePlan } from "./texts.ts";
import { fittingUri } from "./uri-details.ts";

export interface ReaderOptions {
  /** Whether there is time for the rule, on a text of so many octets. */
  goOn(rule: Rule, octets?: number): boolean;
  readonly explain: boolean;
  /** A pattern that V8 will not run after all. */
  fault(rule: Rule, error: unknown): void;
  /** What a message has in a field, for %{HEADER(FIELD)}. */
  field(name: string): string;
}

/** Of a program. */
interface ReaderRules {
  readonly templates: Templates;
  /** By place of the rule. */
  readonly matchers: readonly (Matcher | undefined)[];
}

/** Octets of the text at hand, and numbers of candidates: shared by all messages of a thread, never held over a call. */
const FIRST_ROOM = 64 * 1024;
let octets = Buffer.allocUnsafe(FIRST_ROOM);
let candidates = new Int32Array(1024);

/** Texts that are read before their patterns run. */
const AT_ONCE = 100;

const TAG = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/;

export class TextReader {
  readonly #templates: Templates;
  readonly #matchers: ReaderRules["matchers"];
  readonly #tally: Tally;
  readonly #options: ReaderOptions;
  readonly #postponed: Postponed;

  constructor(
    { templates, matchers }: ReaderRules,
    tally: Tally,
    postponed: Postponed,
    options: ReaderOptions,
  ) {
    this.#templates = templates;
    this.#matchers = matchers;
    this.#tally = tally;
    this.#options = options;
    this.#postponed = postponed;
  }

  /** Runs what has been postponed of a rule. */
  settle(place: number, subject: Subject): void {
    const matcher = this.#matchers[place];
    if (matcher === undefined) return;
    for (const met of this.#postponed.take(place)) {
      if (met.text === null) this.#mimeHeader(matcher, subject, met.name);
      else this.#meet(matcher, met.text, met);
    }
  }

  /** Rules of a group against each of the texts. `name` is for explanations. */
  texts(group: Group, name: string, of: () => readonly string[]): void {
    if (group.matchers.length === 0) return;
    const texts = of();
    for (let first = 0; first < texts.length; first += AT_ONCE)
      this.#several(group, texts.slice(first, first + AT_ONCE), name, first);
  }

  /** All are read before the first pattern runs: the prefilter's tables stay in the processor's cache so. */
  #several(group: Group, texts: readonly string[], name: string, first: number): void {
    const met = texts.map((text, at) => metText(group, text, name, first + at));
    const ends = [0];
    met.forEach((text, at) => ends.push(this.#read(group, text, ends[at]!)));
    met.forEach((text, at) => this.#meetAll(group, text, ends[at]!, ends[at + 1]!));
  }

  /** The rules that may match it: those that any text may, and those in `candidates` from a place to another. */
  #meetAll(group: Group, met: Met, from: number, end: number): void {
    const { matchers } = group;
    const { always } = prefilterOf(group, met.alphabet);
    for (let i = 0; i < always.length; i++) this.#one(matchers[always[i]!]!, met);
    for (let i = from; i < end; i++) this.#one(matchers[candidates[i]!]!, met);
  }

  fields(groups: readonly FieldGroup[], subject: Subject): void {
    for (const group of groups) {
      const value = subject.get(group.field);
      if (value !== undefined) {
        for (const { index } of group.exists) this.#tally.hit(index, 1);
        this.#text(group, value, group.field, -1);
      } else for (const matcher of group.missing) this.#missing(matcher, group.field);
      for (const matcher of group.others) this.#other(matcher, value, group.field);
    }
  }

  mimeHeaders({ groups, others }: MimePlan, subject: Subject): void {
    for (const group of groups) {
      const texts = fieldTexts(group.field, subject);
      texts.forEach((text, at) => this.#text(group, text, group.name, at));
    }
    for (const matcher of others) {
      const { definition } = matcher.rule;
      if (definition.type !== "mimeheader" || !this.#options.goOn(matcher.rule)) continue;
      // QUIRK: SpamAssassin 4.0 takes a negated one for a hit whatever the fields say.
      const { name } = definition.field;
      if (definition.negated) this.#tally.hit(matcher.index, 1);
      else if (matcher.postponable)
        this.#postpone(matcher, { text: null, alphabet: "any", name, at: -1 });
      else this.#mimeHeader(matcher, subject, name);
    }
  }

  uriDetails(matchers: readonly Matcher[], subject: Subject): void {
    for (const matcher of matchers) {
      if (!this.#options.goOn(matcher.rule)) return;
      const uri = this.#fittingUri(matcher, subject);
      if (uri === null) continue;
      this.#tally.hit(matcher.index, 1);
      if (this.#options.explain) this.#tally.explain(matcher.index, "uri", uri);
    }
  }

  #fittingUri(matcher: Matcher, subject: Subject): string | null {
    try {
      return fittingUri(matcher, subject.uriDetails);
    } catch (error) {
      this.#options.fault(matcher.rule, error);
      return null;
    }
  }

  #mimeHeader(matcher: Matcher, subject: Subject, name: string): void {
    for (const [part, text] of partTexts(matcher, subject)) {
      this.#count(matcher, null, text, `${name} of part`, part - 1);
      if (this.#tally.counts[matcher.index] !== 0) return;
    }
  }

  /** All rules of the group that the text may match. */
  #text(group: Group, text: string, name: string, at: number): void {
    const met = metText(group, text, name, at);
    this.#meetAll(group, met, 0, this.#read(group, met, 0));
  }

  /** Writes the numbers of the rules that the text may match into `candidates` from a place on; returns the place behind them. */
  #read(group: Group, { text, alphabet }: Met, from: number): number {
    const { matchers } = group;
    const prefilter = prefilterOf(group, alphabet);
    if (prefilter.always.length === matchers.length) return from;
    if (octets.length < text.length) octets = Buffer.allocUnsafe(2 * text.length);
    if (candidates.length < from + matchers.length) {
      const larger = new Int32Array(2 * (from + matchers.length));
      larger.set(candidates);
      candidates = larger;
    }
    const length = octets.write(text, 0, "latin1");
    return prefilter.candidates(octets, 0, length, candidates, from);
  }

  #one(matcher: Matcher, met: Met): void {
    if (met.text.length < matcher.shortest) return;
    if (matcher.postponable && !this.#postponed.isFull) this.#postpone(matcher, met);
    else this.#meet(matcher, met.text, met);
  }

  #postpone({ index }: Matcher, met: MetText): void {
    if (this.#postponed.pending[index] === 0) this.#tally.touch(index);
    this.#postponed.add(index, met);
  }

  /** A rule that hits at most once and captures nothing needs no more than a yes. */
  #meet(matcher: Matcher, text: string, { alphabet, name, at }: MetText): void {
    const { index, simple, least } = matcher;
    if (matcher.usesTags) {
      const pattern = this.#patternFor(matcher, text);
      return pattern === null ? undefined : this.#count(matcher, pattern, text, name, at);
    }
    if (least !== null && !hasLeast(least, text)) return;
    if (!simple || this.#options.explain) {
      return this.#count(matcher, this.#allOf(matcher, alphabet), text, name, at);
    }
    if (this.#tally.counts[index] !== 0 || !this.#options.goOn(matcher.rule, text.length)) return;
    try {
      if (matcher.patterns[0]!.test(alphabet).test(text)) this.#tally.hit(index, 1);
    } catch (error) {
      this.#options.fault(matcher.rule, error);
    }
  }

  #allOf(matcher: Matcher, alphabet: Alphabet): Captured | null {
    if (alphabet === "any") return null;
    try {
      return matcher.patterns[0]!.all(alphabet);
    } catch (error) {
      this.#options.fault(matcher.rule, error);
      return null;
    }
  }

  /** A field that is not there is "" to a pattern, or what [if-unset:] says. */
  #missing(matcher: Matcher, field: string): void {
    const { definition } = matcher.rule;
    const text = definition.type === "header" ? (definition.ifUnset ?? "") : "";
    if (text !== "" || matcher.setsTags || this.#matchesNothing(matcher)) {
      this.#count(matcher, null, text, field, -1);
    }
  }

  #matchesNothing(matcher: Matcher): boolean {
    try {
      return matcher.patterns[0]!.matchesNothing;
    } catch (error) {
      this.#options.fault(matcher.rule, error);
      return false;
    }
  }

  /** Negated ones, and those with %{TAGS}. */
  #other(matcher: Matcher, value: string | undefined, field: string): void {
    const { definition, maxHits } = matcher.rule;
    if (definition.type !== "header" || !this.#options.goOn(matcher.rule)) return;
    const pattern = this.#patternFor(matcher, null);
    if (pattern === null) return;
    const text = value ?? definition.ifUnset ?? "";
    if (!definition.negated) return this.#count(matcher, pattern, text, field, -1);
    pattern.pattern.lastIndex = 0;
    try {
      if (pattern.pattern.test(text)) return;
    } catch (error) {
      return this.#options.fault(matcher.rule, error);
    }
    // Perl goes on asking: with `tflags multiple` it is as many hits as it may be.
    this.#tally.hit(matcher.index, Number.isFinite(maxHits) ? maxHits : 1);
  }

  /**
   * The pattern of a rule that has one of its own for each message; null: it does not run in this one, or not on this text (null:
   * whatever text).
   */
  #patternFor(matcher: Matcher, text: string | null): Captured | null {
    try {
      if (matcher.usesTags) return this.#templates.fill(matcher, text, (tag) => this.#tag(tag));
      return matcher.patterns[0]!.all();
    } catch (error) {
      this.#options.fault(matcher.rule, error);
      return null;
    }
  }

  #tag(name: string): readonly string[] {
    const field = /^HEADER\((.+)\)$/.exec(name)?.[1];
    if (field === undefined) return this.#tally.tags.get(name) ?? [];
    return [this.#options.field(field)];
  }

  /** `own` is the pattern where it is not the rule's. */
  #count(matcher: Matcher, own: Captured | null, text: string, name: string, at: number): void {
    try {
      this.#countAll(matcher, own, text, name, at);
    } catch (error) {
      this.#options.fault(matcher.rule, error);
    }
  }

  #countAll(matcher: Matcher, own: Captured | null, text: string, name: string, at: number): void {
    const { index, rule, setsTags } = matcher;
    const left = rule.maxHits - this.#tally.counts[index]!;
    if (left <= 0 || (at === 0 && name === "body" && rule.flags.has("nosubject"))) return;
    if (!this.#options.goOn(rule, text.length)) return;
    const { pattern, names } = own ?? matcher.patterns[0]!.all();
    pattern.lastIndex = 0;
    if (matcher.shortest > 0 && !setsTags && !this.#options.explain) {
      const found = countOf(pattern, text, left);
      if (found > 0) this.#tally.hit(index, found);
      return;
    }
    const captured = setsTags ? new Map<string, Set<string>>() : null;
    let hits = 0;
    while (hits < left) {
      const found = pattern.exec(text);
      if (found === null) break;
      if (hits === 0 && this.#options.explain)
        this.#tally.explain(index, place(name, at), found[0]);
      hits++;
      if (found[0] === "") pattern.lastIndex++;
      if (captured !== null) collect(captured, names, found);
    }
    if (hits > 0) this.#tally.hit(index, hits);
    if (captured === null) return;
    for (const [tag, texts] of captured) this.#tally.tags.set(tag, [...texts]);
  }
}

type Met = MetText & { readonly text: string };

function metText(group: Group, text: string, name: string, at: number): Met {
  const alphabet = group.plain === group.prefilter ? "any" : alphabetOf(text);
  return { text, alphabet, name, at };
}

function prefilterOf({ plain, prefilter }: Group, alphabet: Alphabet): Prefilter {
  return alphabet === "plain" ? plain : prefilter;
}

/** Of a pattern whose matches take an octet at least. */
function countOf(pattern: RegExp, text: string, most: number): number {
  let found = 0;
  while (found < most && pattern.test(text)) found++;
  return found;
}

function place(name: string, at: number): string {
  return at < 0 ? name : `${name} ${at + 1}`;
}

function collect(
  into: Map<string, Set<string>>,
  names: ReadonlyMap<string, readonly number[]>,
  found: RegExpExecArray,
): void {
  for (const [name, numbers] of names) {
    if (!TAG.test(name)) continue;
    for (const number of numbers) {
      const text = found[number] ?? "";
      if (text === "") continue;
      const texts = into.get(name);
      if (texts === undefined) into.set(name, new Set([text]));
      else texts.add(text);
    }
  }
}
