// The files of rule directories as texts, in the order in which SpamAssassin reads them: site *.pre, rules *.pre, rules *.cf, site *.cf,
// then what the operator adds. Read once, bounded; parse.ts makes a book of them.
import { constants } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Problem } from "../rulebook.ts";
import { readLanguages } from "./models-file.ts";
import { absentPlugins } from "./plugin-files.ts";

export interface RuleText {
  /** Absolute path. */
  readonly file: string;
  /** Octets, one character each. */
  readonly octets: string;
}

export interface RuleTexts {
  readonly texts: readonly RuleText[];
  /** What `include` lines name: by the file that says it, then by the words behind `include`. */
  readonly includes: ReadonlyMap<string, ReadonlyMap<string, readonly RuleText[]>>;
  /** What TextCat tells languages apart by; absent when no text loads it, or there is none. */
  readonly languages?: RuleText;
  /** Paths of Perl files that `loadplugin` lines name and that are not there. */
  readonly absent?: readonly string[];
  /** Files that could not be read. */
  readonly problems: readonly Problem[];
}

export interface RulePlaces {
  /** Like /etc/spamassassin: *.pre first of all, *.cf after the rules. */
  readonly siteDirs: readonly string[];
  /** Like /usr/share/spamassassin. */
  readonly ruleDirs: readonly string[];
  /** local.cf files and the like, after the directories, in this order. */
  readonly files?: readonly string[];
  /** Last, in this order. */
  readonly userFiles?: readonly string[];
}

const MAX_FILES = 2000;
const MAX_FILE = 16 * 1024 * 1024;
const MAX_TOTAL = 64 * 1024 * 1024;
const MAX_DEPTH = 16;
const INCLUDE = /^[\t-\r ]*include[\t ]+([^\n#]*)/gim;
/** The official channel comes before others, so that they can change its points. */
const OFFICIAL = "updates_spamassassin_org.cf";

/** Never rejects: what cannot be read is a problem. Directories that do not exist hold nothing. */
export async function readRules(places: RulePlaces): Promise<RuleTexts> {
  const reading = new Reading();
  const [site, rules] = [places.siteDirs, places.ruleDirs];
  const paths: string[] = [];
  for (const [directories, ending] of [
    [site, ".pre"],
    [rules, ".pre"],
    [rules, ".cf"],
    [site, ".cf"],
  ] as const)
    for (const directory of directories) paths.push(...(await reading.list(directory, ending)));
  for (const file of [...(places.files ?? []), ...(places.userFiles ?? [])])
    paths.push(resolve(file));
  const read = await reading.all([...new Set(paths)]);
  const included = [...read.includes.values()].flatMap((by) => [...by.values()].flat());
  const all = [...read.texts, ...included];
  const languages = await readLanguages(places, all);
  const absent = await absentPlugins(all);
  return { ...read, ...(languages && { languages }), ...(absent.length > 0 && { absent }) };
}

class Reading {
  readonly #known = new Map<string, RuleText | null>();
  readonly #includes = new Map<string, Map<string, readonly RuleText[]>>();
  readonly #problems: Problem[] = [];
  #total = 0;

  async all(paths: readonly string[]): Promise<RuleTexts> {
    const texts: RuleText[] = [];
    for (const path of paths) {
      const text = await this.#file(path, 0);
      if (text !== null) texts.push(text);
    }
    return { texts, includes: this.#includes, problems: this.#problems };
  }

  async list(directory: string, ending: string): Promise<string[]> {
    try {
      const names = await readdir(directory);
      return names
        .filter((name) => name.toLowerCase().endsWith(ending))
        .sort((a, b) => Number(b === OFFICIAL) - Number(a === OFFICIAL) || (a < b ? -1 : 1))
        .map((name) => join(resolve(directory), name));
    } catch (cause) {
      if (codeOf(cause) !== "ENOENT")
        this.#complain(directory, `cannot be listed (${codeOf(cause)})`);
      return [];
    }
  }

  async #file(path: string, depth: number): Promise<RuleText | null> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const octets = await this.#octets(path, depth > 0);
    const text = octets === null ? null : { file: path, octets };
    this.#known.set(path, text);
    if (text !== null) await this.#follow(text, depth);
    return text;
  }

  /** What an include names and is not there, parse.ts reports with its line. */
  async #octets(path: string, included: boolean): Promise<string | null> {
    if (this.#known.size >= MAX_FILES) return this.#complain(path, `more than ${MAX_FILES} files`);
    try {
      // A pipe must not keep us waiting.
      const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const found = await handle.stat();
        if (!found.isFile()) return null;
        if (found.size > MAX_FILE || this.#total + found.size > MAX_TOTAL)
          return this.#complain(path, `too big: ${found.size} octets`);
        const octets = await handle.readFile("latin1");
        this.#total += octets.length;
        return octets;
      } finally {
        await handle.close();
      }
    } catch (cause) {
      if (included && codeOf(cause) === "ENOENT") return null;
      return this.#complain(path, `cannot be read (${codeOf(cause)})`);
    }
  }

  /** Reads ahead what a text includes, whatever conditions stand around it. */
  async #follow({ file, octets }: RuleText, depth: number): Promise<void> {
    if (!/include/i.test(octets)) return;
    for (const [, written = ""] of octets.matchAll(INCLUDE)) {
      const words = written.trim();
      if (words === "" || this.#includes.get(file)?.has(words) === true) continue;
      if (depth >= MAX_DEPTH) {
        this.#complain(file, `includes deeper than ${MAX_DEPTH}`);
        return;
      }
      const found: RuleText[] = [];
      for (const path of await this.#named(file, words)) {
        const text = await this.#file(path, depth + 1);
        if (text !== null) found.push(text);
      }
      const map = this.#includes.get(file) ?? new Map<string, readonly RuleText[]>();
      this.#includes.set(file, map.set(words, found));
    }
  }

  /** A file, or all *.cf of a directory; a name without "/" in front lies beside the file that includes it. */
  async #named(file: string, words: string): Promise<string[]> {
    const home = words.replace(/^~(?=\/|$)/, homedir());
    const path = resolve(dirname(file), home);
    const found = await stat(path).catch(() => null);
    return found?.isDirectory() === true ? await this.list(path, ".cf") : [path];
  }

  #complain(file: string, message: string): null {
    this.#problems.push({ file, line: 0, message });
    return null;
  }
}

/** The same path for the same directory, whatever links lead there; null when there is none. */
export async function existing(directory: string): Promise<string | null> {
  try {
    const path = await realpath(directory);
    return (await stat(path)).isDirectory() ? path : null;
  } catch {
    return null;
  }
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? "unknown";
}
