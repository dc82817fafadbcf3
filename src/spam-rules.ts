// SpamAssassin's rules for the engine, as text: those of the machine, or else the small set that comes with postern, and the operator's own
// on top. Read by the supervisor with the other rules and by commands; every thread compiles the same text.
import { join } from "node:path";
import type { Config } from "./config.ts";
import type { RuleSource } from "./ruleset/source.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import { ruleDirectories } from "./spamrules/language/directories.ts";
import { readLanguages } from "./spamrules/language/models-file.ts";
import { existing, readRules, type RuleText } from "./spamrules/language/read.ts";
import type { Problem } from "./spamrules/rulebook.ts";

/**
 * null when postern does not score itself, or there is no rule. `source` has spam/*.cf, which count where there are no rules of
 * SpamAssassin's (both together would give points twice), and local.d/spam/*.cf, which always count, last. Never rejects: what cannot
 * be read is a problem among the rules'.
 */
export async function readSpamRules(
  config: Config,
  source: RuleSource,
): Promise<EngineData | null> {
  const { engine, local_tests_only: local, language } = config.spam;
  if (engine !== "native" && engine !== "both") return null;
  const directories = await spamRuleDirectories(config);
  const read = await readRules(directories);
  const missing = await missingDirectories(config);
  const theirs = read.texts.filter(({ file }) => !file.endsWith(".pre"));
  const first = directories.ruleDirs.length === 0 ? ownTexts(source, "spam/") : [];
  const last = [...networkText(config), ...ownTexts(source, "local.d/spam/")];
  const languages = read.languages ?? (await readLanguages(directories, [...first, ...last]));
  if (first.length + theirs.length + last.length === 0) return null;
  return {
    // What the site says of its own stands behind our own small set as it does behind SpamAssassin's.
    texts: [...first, ...read.texts, ...last],
    includes: [...read.includes].map(([file, named]) => [file, [...named]] as const),
    ...(languages && { languages }),
    ...(read.absent && { absent: read.absent }),
    problems: [...missing, ...read.problems],
    local,
    language,
    bayes: false,
    hostname: config.server.hostname,
    cache: join(config.server.state_dir, "spam-patterns.cache"),
    ...(config.bayes.enabled &&
      config.bayes.autolearn && {
        autolearn: { ham: config.bayes.autolearn_ham, spam: config.bayes.autolearn_spam },
      }),
  };
}

/** Those of the configuration: the site's own is the last one; else those of this machine. */
export async function spamRuleDirectories(config: Config): ReturnType<typeof ruleDirectories> {
  const named = config.spam.rule_dirs;
  if (named === undefined) return ruleDirectories();
  return named.length < 2
    ? { siteDirs: [], ruleDirs: named }
    : { siteDirs: named.slice(-1), ruleDirs: named.slice(0, -1) };
}

/** Of those that the configuration names. */
async function missingDirectories({ spam }: Config): Promise<Problem[]> {
  const missing: Problem[] = [];
  for (const directory of spam.rule_dirs ?? [])
    if ((await existing(directory)) === null)
      missing.push({ file: directory, line: 0, message: "there is no such directory" });
  return missing;
}

/** Rule files of ours are UTF-8 text; patterns are octets. */
function ownTexts(source: RuleSource, below: string): RuleText[] {
  return [...source]
    .filter(([path]) => path.startsWith(below))
    .map(([path, text]) => ({
      file: `rules/${path}`,
      octets: Buffer.from(text, "utf8").toString("latin1"),
    }));
}

/** Our own relays are hosts that write true Received lines: without them their clients' mail would seem to come from them. */
function networkText({ networks: { relays } }: Config): RuleText[] {
  if (relays.length === 0) return [];
  const hosts = relays.join(" ");
  const octets = `trusted_networks ${hosts}\ninternal_networks ${hosts}\n`;
  return [{ file: "[networks] relays", octets }];
}
