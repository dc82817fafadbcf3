// The operator's rule files as text: read once, by the supervisor; every worker and thread compiles the same map, so that
// all of them judge alike. Known names only: *.rules, aliases, virtual, spam/*.cf, cases/*.case, each also below local.d/.
import { createHash } from "node:crypto";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { boundedErrors } from "./errors.ts";
import type { RuleError } from "./errors.ts";
import { MAX_FILE_BYTES, parsingRules } from "./grammar.ts";
import type { Line, Parsed, Verbs } from "./grammar.ts";

/** Text by relative path with "/": "local.d/policy.rules", "cases/eicar.case". */
export type RuleSource = ReadonlyMap<string, string>;

export const LOCAL_DIRECTORY = "local.d";
const MAX_FILES = 5000;
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
const DIRECTORIES = ["", "spam", "cases", "local.d", "local.d/spam", "local.d/cases"] as const;
const KNOWN =
  /^(?:local\.d\/)?(?:[A-Za-z0-9_-]+\.rules|aliases|virtual|spam\/[^/]+\.cf|cases\/[^/]+\.case)$/;

/** Reads every rule file below `directory`. A missing directory or file is an empty one; unreadable files are errors. */
export async function readRules(
  directory: string,
): Promise<{ readonly ok: RuleSource } | { readonly errors: readonly RuleError[] }> {
  const files = new Map<string, string>();
  const errors: RuleError[] = [];
  let total = 0;
  let paths: readonly string[];
  try {
    paths = await ruleFiles(directory);
  } catch (cause) {
    // An unreadable directory must not pass for an empty one, under which everything is accepted.
    return {
      errors: [
        { file: "rules", line: 0, message: `${directory} cannot be listed (${codeOf(cause)})` },
      ],
    };
  }
  for (const path of paths) {
    const read = await readText(join(directory, path));
    if (read === null) continue;
    if ("error" in read) errors.push({ file: `rules/${path}`, line: 0, message: read.error });
    else {
      total += read.ok.length;
      files.set(path, read.ok);
    }
    if (files.size > MAX_FILES || total > MAX_TOTAL_BYTES) {
      errors.push({
        file: "rules",
        line: 0,
        message: `more than ${MAX_FILES} files or ${MAX_TOTAL_BYTES} bytes`,
      });
      break;
    }
  }
  return errors.length > 0 ? { errors: boundedErrors(errors) } : { ok: files };
}

/** Relative paths of the rule files that exist, sorted. A missing directory holds none; rejects when one cannot be listed. */
export async function ruleFiles(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const below of DIRECTORIES) {
    for (const name of await namesIn(join(directory, below))) {
      const path = below === "" ? name : `${below}/${name}`;
      if (KNOWN.test(path)) found.push(path);
    }
  }
  return found.sort();
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return [];
    throw cause;
  }
}

async function readText(
  path: string,
): Promise<{ readonly ok: string } | { readonly error: string } | null> {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) return { error: "not a file" };
    if (facts.size > MAX_FILE_BYTES) return { error: `larger than ${MAX_FILE_BYTES} bytes` };
    return { ok: new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path)) };
  } catch (cause) {
    // Gone since it was listed (an editor renames), or unreadable: the operator must hear of the latter.
    if (codeOf(cause) === "ENOENT") return null;
    if (cause instanceof TypeError) return { error: "not valid UTF-8" };
    return { error: `cannot be read (${codeOf(cause)})` };
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
}

/** Ten hexadecimal digits that name this source; cases are left out, since they change no verdict. */
export function versionOf(source: RuleSource): string {
  const hash = createHash("sha256");
  for (const [path, text] of [...source].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (!path.includes("cases/")) hash.update(`${path}\0${text.length}\0${text}`);
  return hash.digest("hex").slice(0, 10);
}

/** The lines of one rule file in effective order: those of local.d/ first. */
export function* readingLines(
  source: RuleSource,
  name: string,
  verbs: Verbs,
): Generator<void, Parsed> {
  const lines: Line[] = [];
  const errors: RuleError[] = [];
  for (const path of [`${LOCAL_DIRECTORY}/${name}`, name]) {
    const parsed = yield* parsingRules(`rules/${path}`, source.get(path) ?? "", verbs);
    for (const line of parsed.lines) lines.push(line);
    errors.push(...parsed.errors);
  }
  return { lines, errors };
}
