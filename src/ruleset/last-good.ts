// The last source that compiled, kept in state_dir: when rules/ does not compile at a start, mail is judged by this one.
// Written by the supervisor after every successful load.
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { RuleSource } from "./source.ts";

const NAME = "rules-last-good.json";

/** Stores the source; after it resolves, a crash leaves the old or the new copy, whole. Rejects on I/O errors. */
export async function storeLastGood(stateDirectory: string, source: RuleSource): Promise<void> {
  const path = join(stateDirectory, NAME);
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify({ format: 1, files: Object.fromEntries(source) }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(stateDirectory, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The stored source; null when there is none or it cannot be understood. Rejects on other I/O errors. */
export async function readLastGood(stateDirectory: string): Promise<RuleSource | null> {
  let text: string;
  try {
    text = await readFile(join(stateDirectory, NAME), "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw cause;
  }
  return sourceFrom(text);
}

function sourceFrom(text: string): RuleSource | null {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    // Damaged by hand or by the disk: as good as none, and the caller reports that rules/ does not compile.
    return null;
  }
  if (typeof stored !== "object" || stored === null || !("files" in stored)) return null;
  if (!("format" in stored) || stored.format !== 1) return null;
  const { files } = stored;
  if (typeof files !== "object" || files === null) return null;
  const entries = Object.entries(files as Record<string, unknown>);
  const good = entries.every((entry): entry is [string, string] => typeof entry[1] === "string");
  return good ? new Map(entries) : null;
}
