// SpamAssassin's rules for the engine, as text: those of the machine, or else the small set that comes with postern, and the operator's own
// on top. Read by the supervisor with the other rules and by commands; every thread compiles the same text.
import type { Config } from "./config.ts";
import type { RuleSource } from "./ruleset/source.ts";
import type { EngineData, RuleText } from "./spamrules/engine-job.ts";

/** null when postern does not score itself, or there is no rule. Never rejects: what cannot be read is told by `rules check`. */
export async function readSpamRules(
  config: Config,
  source: RuleSource,
): Promise<EngineData | null> {
  const { engine, local_tests_only: local } = config.spam;
  if (engine !== "native" && engine !== "both") return null;
  const texts = [...ownTexts(source, "spam/"), ...ownTexts(source, "local.d/spam/")];
  if (texts.length === 0) return null;
  return { texts, local, bayes: false, hostname: config.server.hostname };
}

/** Rule files are UTF-8 text; patterns are octets. */
function ownTexts(source: RuleSource, below: string): RuleText[] {
  return [...source]
    .filter(([path]) => path.startsWith(below))
    .map(([path, text]) => ({
      file: `rules/${path}`,
      octets: Buffer.from(text, "utf8").toString("latin1"),
    }));
}
