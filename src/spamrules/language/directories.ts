// Where SpamAssassin's rules lie on this machine, if it is or was installed.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { existing } from "./read.ts";

export interface RuleDirectories {
  readonly siteDirs: readonly string[];
  readonly ruleDirs: readonly string[];
}

const UPDATES = ["var/lib/spamassassin", "var/db/spamassassin"];
const SHIPPED = ["usr/share/spamassassin", "usr/local/share/spamassassin"];
const SITE = [
  "etc/spamassassin",
  "etc/mail/spamassassin",
  "usr/local/etc/mail/spamassassin",
  "usr/local/etc/spamassassin",
];

/**
 * The directories that exist: the newest that sa-update filled, else the one that came with the package; and the first site directory
 * (the others are links to it or forgotten). `root` is for tests.
 */
export async function ruleDirectories(root = "/"): Promise<RuleDirectories> {
  const first = async (paths: readonly string[]): Promise<string[]> => {
    for (const path of paths) {
      const found = await existing(join(root, path));
      if (found !== null) return [found];
    }
    return [];
  };
  const updated = (await Promise.all(UPDATES.map((path) => newest(join(root, path))))).flat();
  return {
    siteDirs: await first(SITE),
    ruleDirs: updated.length > 0 ? updated.slice(0, 1) : await first(SHIPPED),
  };
}

/** sa-update keeps one directory for each version: 4.000001. */
async function newest(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  const versions = names.filter((name) => /^\d+\.\d{6}$/.test(name)).sort();
  for (const version of versions.reverse()) {
    const found = await existing(join(directory, version));
    const files = found === null ? [] : await readdir(found).catch(() => []);
    if (found !== null && files.some((file) => file.endsWith(".cf"))) return [found];
  }
  return [];
}
