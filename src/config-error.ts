// What is wrong with a configuration, as file:line and a suggestion. Thrown by config.ts and whoever finds more in it.
import type { z } from "zod";
import { schema } from "./config-schema.ts";
import { suggestion } from "./ruleset/suggest.ts";

/** A configuration that cannot be used; `message` starts with "file:line: ". Exit code 2. */
export class ConfigError extends Error {
  readonly code = "CONFIG";
}

/** What the schema did not like, a line for each key, in the order of the file. */
export function located(
  issues: readonly z.core.$ZodIssue[],
  text: string,
  file: string,
): readonly string[] {
  const told = new Set<string>();
  const found: { line: number; what: string }[] = [];
  const tell = (path: readonly PropertyKey[], what: string): void => {
    // One mistake can break several conditions of a key; the first one says what is wanted.
    const key = JSON.stringify(path.map(String));
    if (!told.has(key)) found.push({ line: lineOf(text, path), what });
    told.add(key);
  };
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") {
      const known = keysAt(issue.path);
      for (const key of issue.keys) {
        const path = [...issue.path, key];
        const hint = elsewhere(key) || suggestion(key, known);
        tell(path, `unknown key "${dotted(path)}"${hint}`);
      }
    } else tell(issue.path, `${dotted(issue.path)}${entry(issue.path)}: expected ${wanted(issue)}`);
  }
  return found.sort((a, b) => a.line - b.line).map(({ line, what }) => `${file}:${line}: ${what}`);
}

function wanted(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value")
    return `one of ${issue.values.map((v) => `"${String(v)}"`).join(", ")}`;
  // A message of the schema's own stands as it is.
  const own = !/^(Invalid|Too) /.test(issue.message);
  if (own) return issue.message;
  if (issue.code === "too_small") return `at least ${issue.minimum}${thing(issue.origin)}`;
  if (issue.code === "too_big") return `at most ${issue.maximum}${thing(issue.origin)}`;
  return issue.code === "invalid_type" && issue.expected === "array"
    ? 'a list, such as ["…"]'
    : issue.message.replace(/^Invalid input: expected /, "");
}

const thing = (origin: string): string =>
  origin === "array" ? " entries" : origin === "string" ? " characters" : "";

/** Which entry of a list it is, counted from one. */
function entry(path: readonly PropertyKey[]): string {
  const last = path.at(-1);
  return typeof last === "number" ? ` (entry ${last + 1})` : "";
}

/** The tables that have a key that was written into another one. */
function elsewhere(key: string): string {
  const tables = Object.keys(schema.shape).filter((name) => keysOf(name).includes(key));
  if (tables.length === 0) return "";
  const names = tables.map((name) => (keysAt([name]).length > 0 ? `[${name}]` : `[[${name}]]`));
  return ` (it is a key of ${names.join(" and ")})`;
}

const dotted = (path: readonly PropertyKey[]): string =>
  path
    .filter((part) => typeof part !== "number")
    .map(String)
    .join(".");

/** The keys of a table, or of each of several: [[listener]]. */
const keysOf = (name: string): string[] => [...keysAt([name]), ...keysAt([name, 0])];

/** The keys that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of path) {
    at = unwrap(at);
    const shape = (at as { shape?: Record<string, unknown> }).shape;
    const element = (at as { element?: unknown }).element;
    at = typeof part === "number" ? element : shape?.[String(part)];
  }
  return Object.keys((unwrap(at) as { shape?: object } | undefined)?.shape ?? {});
}

function unwrap(node: unknown): unknown {
  let at = node;
  for (let depth = 0; depth < 8; depth++) {
    const inner = (at as { def?: { innerType?: unknown } } | undefined)?.def?.innerType;
    if (inner === undefined) return at;
    at = inner;
  }
  return at;
}

/** The line on which a key stands (1-based); the table's line, then 1, when the key itself is not found. */
export function lineOf(text: string, path: readonly PropertyKey[]): number {
  const names = path.filter((part) => typeof part !== "number").map(String);
  const index = path.find((part) => typeof part === "number") ?? 0;
  let table: string[] = [];
  let seen = -1;
  let tableLine = 1;
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    const head = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/.exec(line);
    if (head !== null) {
      table = (head[2] ?? "").split(".").map((part) => part.trim().replace(/^["']|["']$/g, ""));
      if (head[1] === "[[" && table.join(".") === names.slice(0, table.length).join(".")) seen++;
      if (
        table.join(".") === names.slice(0, table.length).join(".") &&
        (head[1] === "[" || seen === index)
      ) {
        tableLine = i + 1;
        if (table.length === names.length) return tableLine;
      }
      if (head[1] === "[[" && seen !== index) table = ["\0"];
      continue;
    }
    const key = /^\s*("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=/.exec(line)?.[1];
    if (key === undefined) continue;
    const full = [...table, ...key.split(".").map((part) => part.replace(/^["']|["']$/g, ""))];
    if (
      full.join(".") === names.slice(0, full.length).join(".") &&
      full.length >= Math.min(names.length, 2)
    )
      return i + 1;
  }
  return tableLine;
}
