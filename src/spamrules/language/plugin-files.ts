// Files of Perl that `loadplugin NAME FILE` names. Nothing of them is read; but a plugin whose file is not there is not loaded in
// SpamAssassin, and so not here either. Looked for with the rules (read.ts), asked about by their lines (setting-lines.ts).
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import type { RuleText } from "./read.ts";

const LINE =
  /^[\t-\r ]*(?:load|try)plugin[\t-\r ]+[\w:]+[\t-\r ]+([^\t-\r ]+\.pm)(?=[\t-\r ]|$)/gim;
const MOST = 500;

/** Where a file lies that a line of another names: beside that one, unless it says otherwise. */
export function pluginFile(file: string, named: string): string {
  return resolve(dirname(file), named.replace(/^~(?=\/)/, homedir()));
}

/** Those that texts name and that are no files. Never rejects. */
export async function absentPlugins(texts: Iterable<RuleText>): Promise<string[]> {
  const paths = new Set<string>();
  for (const { file, octets } of texts)
    for (const [, named = ""] of octets.matchAll(LINE))
      if (paths.size < MOST) paths.add(pluginFile(file, named));
  const absent: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => null);
    if (found?.isFile() !== true) absent.push(path);
  }
  return absent;
}
