// From the texts of rule files to a rule book: conditions, languages and includes here, each other line by the reader of its first word.
// Pure: the supervisor reads files once (read.ts), every thread parses the same texts.
import type { RuleBook } from "../rulebook.ts";
import { answer } from "./condition.ts";
import { complain, newDraft, remark } from "./draft.ts";
import type { Draft, LineReader } from "./draft.ts";
import { finish } from "./finish.ts";
import { LIST_LINES } from "./list-lines.ts";
import { settingNamed } from "./plugins.ts";
import type { RuleText, RuleTexts } from "./read.ts";
import { RULE_LINES } from "./rule-lines.ts";
import { SCORE_LINES } from "./score-lines.ts";
import { SETTING_LINES, plainSetting } from "./setting-lines.ts";
import { cut, lower, trim } from "./text.ts";

export interface ParseOptions {
  /** Whether only local tests run: `if (local_tests_only)`, and the same word in metas. */
  readonly local: boolean;
  /** Whose `lang` lines count: "en_US". */
  readonly language?: string;
  /** SpamAssassin's version that the files are meant for: "4.000001". */
  readonly version?: string;
  /** Perl's: 5.036. */
  readonly perlVersion?: number;
}

interface Handler {
  readonly read: LineReader;
  /** One of them must be loaded; none for what the core knows. */
  readonly plugins: readonly string[];
}

const MAX_DEPTH = 16;
const MAX_LINE = 1024 * 1024;
const HANDLERS = new Map<string, LineReader>(
  [RULE_LINES, SCORE_LINES, LIST_LINES, SETTING_LINES].flatMap(Object.entries),
);
/** Handlers that a line finds only when their plugin is loaded, and plain settings, as they are first met. */
const FOUND = new Map<string, Handler | null>();
const RENAMED: Readonly<Record<string, string>> = {
  required_hits: "required_score",
  clear_dns_query_restrictions: "clear_dns_query_restriction",
};

/** Never throws: whatever is not understood is a Problem of the book. */
export function parseRules(sources: RuleTexts, options: ParseOptions): RuleBook {
  const draft = newDraft({
    local: options.local,
    absent: new Set(sources.absent),
    version: options.version ?? "4.000001",
    perlVersion: options.perlVersion ?? 5.036,
  });
  draft.problems.push(...sources.problems);
  const parser = new Parser(draft, sources, options.language ?? "en_US");
  for (const text of sources.texts) parser.file(text);
  return finish(draft, sources);
}

interface Open {
  /** Whether lines were skipped before it. */
  readonly skippedBefore: boolean;
  readonly line: number;
}

class Parser {
  readonly #draft: Draft;
  readonly #sources: RuleTexts;
  readonly #language: string;
  readonly #read: Set<string>;
  /** How often the file under way holds a directive that nobody reads. */
  readonly #unreadable = new Map<string, { readonly line: number; count: number }>();
  readonly #answers = new Map<string, boolean>();
  #open: Open[] = [];
  #skipping = false;
  #depth = 0;

  constructor(draft: Draft, sources: RuleTexts, language: string) {
    this.#draft = draft;
    this.#sources = sources;
    this.#language = lower(language);
    // What is read anyway is not included a second time.
    this.#read = new Set(sources.texts.map(({ file }) => file));
  }

  file({ file, octets }: RuleText): void {
    let line = 0;
    for (let at = 0; at < octets.length;) {
      const end = octets.indexOf("\n", at);
      const stop = end < 0 ? octets.length : end;
      this.#draft.place = { file, line: ++line };
      this.#line(octets.slice(at, stop));
      at = stop + 1;
    }
    this.#close();
  }

  /** Conditions do not reach past the end of a file, nor past an include. */
  #close(): void {
    const { file } = this.#draft.place;
    for (const { line } of this.#open) complain(this.#draft, "if without endif", { file, line });
    this.#open = [];
    this.#skipping = false;
    for (const [message, { line, count }] of this.#unreadable)
      remark(this.#draft, count > 1 ? `${message} (${count} lines)` : message, { file, line });
    this.#unreadable.clear();
  }

  /** Told once for each file, at its first line. */
  #unread(message: string): void {
    const known = this.#unreadable.get(message);
    if (known !== undefined) known.count++;
    else this.#unreadable.set(message, { line: this.#draft.place.line, count: 1 });
  }

  #line(raw: string): void {
    let text = trim(raw.includes("#") ? uncomment(raw) : raw);
    // Perl takes a lone 0 for nothing.
    if (text === "" || text === "0") return;
    if (text.startsWith("lang")) {
      const [, wanted, rest] = /^lang[\t-\r ]+([^\t-\r ]+)[\t-\r ]+(.*)$/s.exec(text) ?? [];
      if (wanted !== undefined && rest !== undefined) {
        if (!this.#language.startsWith(lower(wanted))) return;
        text = rest;
      }
    }
    if (text.length > MAX_LINE) {
      complain(this.#draft, `line longer than ${MAX_LINE} octets`);
      return;
    }
    const [word, value] = cut(text);
    const key = lower(word).replaceAll("-", "_");
    if (this.#steer(key, value) || this.#skipping) return;
    if (key === "require_version") this.#requireVersion(value);
    else this.#directive(key, value);
  }

  /** Lines that decide which other lines count. False: it is none of them. */
  #steer(key: string, value: string): boolean {
    if (key === "if") this.#if(value);
    else if (key === "ifplugin") this.#if(value === "" ? "" : `plugin (${value})`);
    else if (key === "else") this.#else(value);
    else if (key === "endif") this.#endif(value);
    else if (key === "include") this.#include(value);
    else return false;
    return true;
  }

  #if(condition: string): void {
    if (condition === "") {
      complain(this.#draft, "if without a condition");
      return;
    }
    let holds = this.#answers.get(condition);
    if (holds === undefined) {
      const found = answer(condition, this.#draft);
      if ("fault" in found) {
        complain(this.#draft, `if: ${found.fault}`);
        if (!found.opens) return;
      } else if (found.odd !== null) complain(this.#draft, `if: ${found.odd}`);
      holds = "holds" in found && found.holds;
      // As in SpamAssassin: a condition asked once keeps its answer, though a plugin be loaded later.
      this.#answers.set(condition, holds);
    }
    this.#open.push({ skippedBefore: this.#skipping, line: this.#draft.place.line });
    if (!holds) this.#skipping = true;
  }

  #else(value: string): void {
    if (value !== "") complain(this.#draft, "nothing may stand behind else");
    else if (this.#open.length === 0) complain(this.#draft, "else without if");
    else this.#skipping = this.#open.some(({ skippedBefore }) => skippedBefore) || !this.#skipping;
  }

  #endif(value: string): void {
    if (value !== "") {
      complain(this.#draft, "nothing may stand behind endif");
      return;
    }
    const closed = this.#open.pop();
    if (closed === undefined) complain(this.#draft, "endif without if");
    else this.#skipping = closed.skippedBefore;
  }

  /** Also when lines are being skipped: SpamAssassin includes first and asks later. */
  #include(value: string): void {
    const { place } = this.#draft;
    const files = this.#sources.includes.get(place.file)?.get(value);
    if (value === "") complain(this.#draft, "include of what?");
    if (value === "") return;
    if (files === undefined || files.length === 0)
      complain(this.#draft, `${value} cannot be included`);
    this.#close();
    if (this.#depth >= MAX_DEPTH) complain(this.#draft, `included deeper than ${MAX_DEPTH}`);
    else this.#each(files ?? []);
    this.#draft.place = place;
  }

  #each(files: readonly RuleText[]): void {
    this.#depth++;
    for (const text of files) {
      if (this.#read.has(text.file)) continue;
      this.#read.add(text.file);
      this.file(text);
    }
    this.#depth--;
  }

  #requireVersion(value: string): void {
    if (value === "") complain(this.#draft, "require_version of what?");
    // Left in when SpamAssassin was installed from its source: it means this one.
    if (value === "" || value === "@@VERSION@@" || value === this.#draft.version) return;
    remark(this.#draft, `made for version ${value}, not ${this.#draft.version}: not read further`);
    this.#skipping = true;
  }

  #directive(key: string, value: string): void {
    const name =
      RENAMED[key] ?? key.replace("whitelist", "welcomelist").replace("blacklist", "blocklist");
    const handler = handlerOf(name);
    if (handler === null) {
      this.#unread(`"${key}" is not known`);
      return;
    }
    const { plugins } = handler;
    if (plugins.length > 0 && !plugins.some((plugin) => this.#draft.plugins.has(plugin))) {
      this.#unread(`"${key}" needs ${plugins.join(" or ")}, which is not loaded`);
      return;
    }
    const fault = handler.read(this.#draft, value, name);
    if (fault !== undefined) complain(this.#draft, `${key}: ${fault}`);
  }
}

function handlerOf(name: string): Handler | null {
  const known = FOUND.get(name);
  if (known !== undefined) return known;
  const setting = settingNamed(name);
  const own = HANDLERS.get(name);
  const read =
    own ?? (setting === null || setting.form === "own" ? null : plainSetting(setting.form));
  const found = read === null ? null : { read, plugins: setting?.plugins ?? [] };
  // Names come from files of the machine, yet nothing grows without end.
  if (FOUND.size < 2000) FOUND.set(name, found);
  return found;
}

/** Without a comment; "\#" is a "#". */
function uncomment(line: string): string {
  let at = line.indexOf("#");
  while (at > 0 && line[at - 1] === "\\") at = line.indexOf("#", at + 1);
  return (at < 0 ? line : line.slice(0, at)).replaceAll("\\#", "#");
}
