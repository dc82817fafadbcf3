// What is wrong with a configuration, as file:line and a suggestion. Thrown by config.ts and whoever finds more in it.
import type { z } from "zod";
import { schema } from "./config-schema.ts";
import { suggestion } from "./ruleset/suggest.ts";

/** A configuration that cannot be used; `message` starts with "file:line: ". Exit code 2. */
export class ConfigError extends Error {
  readonly code = "CONFIG";
}

/** What the schema did not like, a line for each key. */
export function located(issue: z.core.$ZodIssue, text: string, file: string): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const known = keysAt(issue.path);
      return `${file}:${lineOf(text, path)}: unknown key "${dotted(path)}"${suggestion(key, known)}`;
    });
  }
  const wanted =
    issue.code === "invalid_value"
      ? `one of ${issue.values.map((v) => `"${String(v)}"`).join(", ")}`
      : issue.message;
  return [
    `${file}:${lineOf(text, issue.path)}: ${dotted(issue.path)}: expected ${wanted.replace(/^Invalid input: expected /, "")}`,
  ];
}

const dotted = (path: readonly PropertyKey[]): string =>
  path
    .filter((part) => typeof part !== "number")
    .map(String)
    .join(".");

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
