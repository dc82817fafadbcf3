// banned.rules compiled: `deny|allow|allow-inside PATTERN… ["log text" ["text for the sender"]]`. What a pattern looks at is seen from its form:
// *.exe or a name: file names · .exe-ms: the type by content · application/hta: the declared type · MACRO: an
// attribute · /…/: all of these. Extensions, types and names stand in maps; only globs and expressions are tried in turn.
import { ATTRIBUTES } from "../mail/attributes.ts";
import type { RuleError } from "./errors.ts";
import type { Line, Verbs } from "./grammar.ts";
import { globTest, isGlob, isRegex, regexTest } from "./patterns.ts";
import type { Compiled, Test } from "./patterns.ts";

export interface BannedRule {
  /** allow-inside: lets pass what lies in the part, not the part itself. */
  readonly verb: "allow" | "allow-inside" | "deny";
  /** The operator's text for the log, or null. */
  readonly text: string | null;
  /** The operator's text for the sender, or null. */
  readonly say: string | null;
  /** "rules/banned.rules:12". */
  readonly at: string;
}

/** What is known of one part: amavis' keys M, T, N, A. */
export interface PartKeys {
  /** Declared type, lower case. */
  readonly type: string;
  /** Types by content without dot. */
  readonly kinds: readonly string[];
  readonly names: readonly string[];
  /** Those of mail/attributes.ts that it has. */
  readonly attributes: readonly string[];
}

export interface BannedList {
  readonly rules: readonly BannedRule[];
  /** The lowest position in `rules` whose deny or allow line matches any key of the part; Infinity when none does. */
  first(part: PartKeys): number;
  /** The same of the allow-inside lines. */
  firstInside(part: PartKeys): number;
}

export const BANNED_VERBS: Verbs = {
  deny: {
    words: [1, 1000],
    texts: 2,
    usage: 'deny PATTERN… ["text for the log" ["text for the sender"]]',
  },
  allow: { words: [1, 1000], texts: 1, usage: 'allow PATTERN… ["text for the log"]' },
  "allow-inside": {
    words: [1, 1000],
    texts: 1,
    usage: 'allow-inside PATTERN… ["text for the log"]',
  },
};

/** Names longer than this are cut at the front; their end is what a desktop goes by. */
const MAX_NAME = 1024;

type Scope = "type" | "name" | "any";

interface Tables {
  /** Type, content type with its dot, attribute. */
  readonly facts: Map<string, number>;
  readonly names: Map<string, number>;
  readonly extensions: Map<string, number>;
  readonly tests: { readonly scope: Scope; readonly test: Test; readonly position: number }[];
  /** The most dots that an extension holds: *.tar.gz has one. */
  dots: number;
}

/** Compiles the lines, which come in effective order; errors are added to `errors`. */
export function compileBanned(lines: readonly Line[], errors: RuleError[]): BannedList {
  const rules: BannedRule[] = [];
  const own = emptyTables();
  const inside = emptyTables();
  for (const line of lines) {
    for (const pattern of line.words) {
      const wrong = addPattern(line.verb === "allow-inside" ? inside : own, pattern, rules.length);
      if (wrong !== null) errors.push({ file: line.file, line: line.line, message: wrong });
    }
    const [text = null, say = null] = line.texts;
    const verb = line.verb === "allow" || line.verb === "allow-inside" ? line.verb : "deny";
    rules.push({ verb, text, say, at: line.at });
  }
  return {
    rules,
    first: (part) => firstMatch(own, part),
    firstInside: (part) => firstMatch(inside, part),
  };
}

function emptyTables(): Tables {
  return { facts: new Map(), names: new Map(), extensions: new Map(), tests: [], dots: 0 };
}

function addPattern(tables: Tables, pattern: string, position: number): string | null {
  if (isRegex(pattern)) return addTest(tables, "any", regexTest(pattern), position);
  if (/^[A-Z]+$/.test(pattern)) {
    if (!Object.hasOwn(ATTRIBUTES, pattern))
      return `"${pattern}" is no attribute; possible: ${Object.keys(ATTRIBUTES).join(", ")}`;
    return put(tables.facts, pattern, position);
  }
  const lower = pattern.toLowerCase();
  if (lower.includes("/")) {
    if (!/^[^/]+\/[^/]+$/.test(lower)) return `"${pattern}" is no media type like application/hta`;
    if (isGlob(lower)) return addTest(tables, "type", globTest(lower), position);
    return put(tables.facts, lower, position);
  }
  if (/^\*\.[^*?]+$/.test(lower)) {
    const extension = lower.slice(2);
    tables.dots = Math.max(tables.dots, extension.split(".").length);
    return put(tables.extensions, extension, position);
  }
  if (isGlob(lower)) return addTest(tables, "name", globTest(lower), position);
  if (!lower.startsWith(".")) return put(tables.names, lower, position);
  if (/^\.[a-z0-9-]+$/.test(lower)) return put(tables.facts, lower, position);
  return `"${pattern}" is no type by content; for names with this ending write *${lower}`;
}

function put(table: Map<string, number>, key: string, position: number): null {
  if (!table.has(key)) table.set(key, position);
  return null;
}

function addTest(
  tables: Tables,
  scope: Scope,
  test: Compiled<Test>,
  position: number,
): string | null {
  if ("error" in test) return test.error;
  tables.tests.push({ scope, test: test.ok, position });
  return null;
}

function firstMatch(tables: Tables, part: PartKeys): number {
  const kinds = part.kinds.map((kind) => `.${kind}`);
  const names = part.names.flatMap(variantsOf);
  let best = tables.facts.get(part.type) ?? Infinity;
  for (const kind of kinds) best = Math.min(best, tables.facts.get(kind) ?? Infinity);
  for (const attribute of part.attributes)
    best = Math.min(best, tables.facts.get(attribute) ?? Infinity);
  for (const name of names) {
    best = Math.min(best, tables.names.get(name) ?? Infinity);
    let dot = name.lastIndexOf(".");
    for (let n = 0; dot >= 0 && n < tables.dots; n++) {
      best = Math.min(best, tables.extensions.get(name.slice(dot + 1)) ?? Infinity);
      dot = dot === 0 ? -1 : name.lastIndexOf(".", dot - 1);
    }
  }
  for (const { scope, test, position } of tables.tests) {
    if (position >= best) break;
    if (scope !== "name" && test(part.type)) return position;
    if (scope !== "type" && names.some(test)) return position;
    if (scope === "any" && (kinds.some(test) || part.attributes.some(test))) return position;
  }
  return best;
}

/**
 * The name as it stands and as others may read it: up to a NUL (C programs), without trailing dots and blanks (Windows
 * drops them), without directories. All in lower case.
 */
function variantsOf(written: string): readonly string[] {
  const name = written.slice(-MAX_NAME).toLowerCase();
  const found = [name];
  const nul = name.indexOf("\0");
  const text = nul < 0 ? name : name.slice(0, nul);
  let end = text.length;
  while (end > 0 && isDropped(text.charCodeAt(end - 1))) end--;
  const shown = text.slice(0, end);
  if (shown !== name) found.push(shown);
  const base = shown.slice(Math.max(shown.lastIndexOf("/"), shown.lastIndexOf("\\")) + 1);
  if (base !== shown) found.push(base);
  return found;
}

/** Dot, blanks and other white space at the end of a name. */
function isDropped(code: number): boolean {
  return code === 0x2e || code <= 0x20 || code === 0xa0;
}
