// What the rule files say about Bayes (bayes_… lines), read once per rule book. Stores, sizes and thresholds are postern.toml's.
import type { Settings } from "../rulebook.ts";
import type { WordRules } from "./words.ts";

export type TokenSource = "header" | "visible" | "invisible" | "uri" | "mimepart";

export interface BayesSettings extends Omit<WordRules, "isStopword"> {
  readonly sources: ReadonlySet<TokenSource>;
  readonly ignoredFields: ReadonlySet<string>;
  /** Anchored, any case. */
  readonly stopwords: readonly RegExp[];
  /** Tokens that were seen once count. */
  readonly hapaxes: boolean;
}

const ALL: readonly TokenSource[] = ["header", "visible", "invisible", "uri", "mimepart"];
const USUAL: readonly TokenSource[] = ["header", "visible", "invisible", "uri"];
const MAX_LENGTH = 15;

const read = new WeakMap<Settings, BayesSettings>();

export function bayesSettings(settings: Settings): BayesSettings {
  let found = read.get(settings);
  if (found === undefined) {
    found = readSettings(settings);
    read.set(settings, found);
  }
  return found;
}

function readSettings(settings: Settings): BayesSettings {
  const last = (name: string): string | undefined => settings.others.get(name)?.at(-1)?.trim();
  const length = Number(last("bayes_max_token_length") ?? MAX_LENGTH);
  return {
    maxLength: Number.isFinite(length) ? length : MAX_LENGTH,
    sources: sources(settings.others.get("bayes_token_sources") ?? []),
    ignoredFields: settings.bayesIgnoreHeaders,
    stopwords: languages(last("bayes_stopword_languages")).flatMap((language) =>
      stopwords(last(`bayes_stopword_${language}`)),
    ),
    hapaxes: last("bayes_use_hapaxes") !== "0",
  };
}

/** Each word adds to the usual sources or takes away: "all", "none", "mimepart", "noheader" … */
function sources(lines: readonly string[]): ReadonlySet<TokenSource> {
  const chosen = new Set<TokenSource>(USUAL);
  for (const word of lines.join(" ").toLowerCase().split(/\s+/)) {
    if (word === "all") for (const one of ALL) chosen.add(one);
    else if (word === "none" || word === "noall") chosen.clear();
    else if (word.startsWith("no")) chosen.delete(word.slice(2) as TokenSource);
    else if ((ALL as readonly string[]).includes(word)) chosen.add(word as TokenSource);
  }
  return chosen;
}

function languages(line: string | undefined): readonly string[] {
  if (line === "disable") return [];
  return (line ?? "en")
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => /^[a-z]{2}$/.test(word));
}

/** Of several patterns in a line the last one counts. What V8 does not take stops no word. */
function stopwords(line: string | undefined): readonly RegExp[] {
  const pattern = line?.split(/\s+/).at(-1);
  if (pattern === undefined || pattern === "") return [];
  try {
    // "(?^:" says "no flags", which is what stands there anyway; only the whole pattern is without case.
    return [new RegExp(`^(?:${pattern.replaceAll("(?^:", "(?:")})$`, "i")];
  } catch {
    return [];
  }
}
