// Which language a message is written in, as SpamAssassin's TextCat guesses it. Made when the first rule, setting or template asks
// (Subject.languages).
import type { Settings } from "../rulebook.ts";
import { numberOf, textOf } from "../evals/settings.ts";
import { commonGroups } from "./groups.ts";
import { readModels, type Models } from "./models.ts";
import { sampleOf } from "./sample.ts";

export interface Guess {
  /** The likeliest first, "ru.koi8-r"; empty: too short a text, or too many would do. */
  readonly names: readonly string[];
  /** Octets that were looked at. */
  readonly length: number;
  /** For _TEXTCATRESULTS_: how far off each was; null for too short a text. */
  readonly results: string | null;
}

/** Below, nothing is guessed. */
const LEAST = 256;
const SHOWN = 20;
const INACTIVE = "bs cy eo et eu fy ga gd is la lt lv rm sa sco sl yi";

const known = new WeakMap<Settings, Models | null>();

/** Those of these settings, read once; null without TextCat or its file. */
function modelsOf(settings: Settings): Models | null {
  let models = known.get(settings);
  if (models === undefined) {
    models = settings.languageModels === null ? null : readModels(settings.languageModels);
    known.set(settings, models);
  }
  return models;
}

/** null: languages are not told apart here, and no line is asked for. */
export function guessOf(lines: () => readonly string[], settings: Settings): Guess | null {
  const models = modelsOf(settings);
  if (models === null) return null;
  const sample = sampleOf(lines());
  if (sample.length < LEAST) return { names: [], length: sample.length, results: null };
  const [best, ...others] = distances(sample, models, settings);
  if (best === undefined) return { names: [], length: sample.length, results: "" };
  const limit = numberOf(settings, "textcat_acceptable_score", 1.02) * best[1];
  const near = [best, ...others.filter(([, off]) => off < limit)].map(([name]) => name);
  const tooMany = near.length > numberOf(settings, "textcat_max_languages", 3);
  const shown = [best, ...others]
    .slice(0, SHOWN)
    .map(([name, off]) => shownOff(name, off, best[1]));
  return { names: tooMany ? [] : near, length: sample.length, results: shown.join(" ") };
}

/** Sums of the differences of rank, the least first. QUIRK: of equals, SpamAssassin takes any first. */
function distances(
  sample: string,
  { names, ranks }: Models,
  settings: Settings,
): (readonly [name: string, off: number])[] {
  const farthest = numberOf(settings, "textcat_max_ngrams", 400);
  const atLeast = numberOf(settings, "textcat_optimal_ngrams", 0);
  const groups = commonGroups(sample, { atLeast, most: farthest });
  const off = new Float64Array(names.length).fill(groups.length * farthest);
  groups.forEach((group, place) => {
    const found = ranks.get(group) ?? [];
    for (let at = 0; at < found.length; at += 2)
      off[found[at]!]! += Math.abs(found[at + 1]! - place) - farthest;
  });
  const skipped = inactive(settings);
  const least = new Map<string, number>();
  names.forEach((name, at) => {
    const bare = languageOf(name);
    if (skipped.has(bare)) return;
    // A language in UTF-8 is the same language; in other charsets its name says so.
    const shown = name.indexOf(".utf8") > 0 ? bare : name;
    least.set(shown, Math.min(least.get(shown) ?? Infinity, off[at]!));
  });
  return [...least].sort(([, a], [, b]) => a - b);
}

function inactive(settings: Settings): Set<string> {
  const skipped = new Set(textOf(settings, "inactive_languages", INACTIVE).split(/[\t-\r ]+/));
  for (const name of okLanguages(settings)) skipped.delete(name);
  return skipped;
}

function shownOff(name: string, off: number, best: number): string {
  return `${name}:${off}(${best === 0 ? "unknown" : (off / best).toFixed(2)})`;
}

/** What `ok_languages` says; "all" by default. */
export function okLanguages(settings: Settings): readonly string[] {
  return textOf(settings, "ok_languages", "all").split(/[\t-\r ]+/);
}

/** "ru" of "ru.koi8-r". */
export function languageOf(name: string): string {
  return name.replace(/\..*/, "");
}
