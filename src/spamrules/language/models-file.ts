// The file of language models that lies beside SpamAssassin's rules, for TextCat. Read with the rules (read.ts, spam-rules.ts), and only
// when one of their lines loads that plugin; textcat/ makes models of it.
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { RulePlaces, RuleText } from "./read.ts";

const LOADS = /^[\t-\r ]*(?:load|try)plugin[\t-\r ]+Mail::SpamAssassin::Plugin::TextCat\b/im;
const NAME = "languages";
/** Where sa-update puts what belongs to the official rules. */
const OFFICIAL = "updates_spamassassin_org";
/** It has 134 kB. */
const MAX_SIZE = 4 * 1024 * 1024;

/** The first that can be read, the site's own before that of the rules. Never rejects. */
export async function readLanguages(
  { siteDirs, ruleDirs }: Pick<RulePlaces, "siteDirs" | "ruleDirs">,
  texts: readonly RuleText[],
): Promise<RuleText | undefined> {
  if (!texts.some(({ octets }) => LOADS.test(octets))) return undefined;
  const below = ruleDirs.map((directory) => join(directory, OFFICIAL));
  for (const directory of [...siteDirs, ...ruleDirs, ...below]) {
    const file = join(resolve(directory), NAME);
    const octets = await octetsOf(file);
    if (octets !== null) return { file, octets };
  }
  return undefined;
}

async function octetsOf(file: string): Promise<string | null> {
  try {
    const handle = await open(file);
    try {
      const found = await handle.stat();
      if (!found.isFile() || found.size > MAX_SIZE) return null;
      return await handle.readFile("latin1");
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}
