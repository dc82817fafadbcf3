// Messages judged by the small rule set, or by the rules of another directory, as one thread of the engine does: for tagged.ts and a test.
// Asks nobody: no DNS, no Bayes.
import { readRules } from "../../src/spamrules/language/read.ts";
import { progressMemory } from "../../src/spamrules/progress.ts";
import { scorer, type MessageScorer } from "../../src/spamrules/score.ts";

export const KINDS = ["ham", "spam"] as const;
export type Kind = (typeof KINDS)[number];

export interface Judged {
  readonly kind: Kind;
  readonly name: string;
  readonly points: number;
  readonly tagged: boolean;
  readonly rules: readonly string[];
}

/** Throws for a rule file with a fault. */
export async function ruleScorer(directory: string): Promise<MessageScorer> {
  const read = await readRules({ ruleDirs: [directory], siteDirs: [] });
  const made = scorer({
    texts: read.texts,
    includes: [],
    problems: read.problems,
    local: true,
    bayes: false,
    hostname: "localhost",
  });
  const [problem] = made.about.problems;
  if (problem !== undefined) throw new Error(`${problem.file}:${problem.line}: ${problem.message}`);
  return made;
}

export async function judge(
  by: MessageScorer,
  kind: Kind,
  name: string,
  octets: Buffer,
): Promise<Judged> {
  const proofs = { spf: null, dkim: null, dmarc: null, arc: null };
  const job = {
    kind: "score" as const,
    octets: new Uint8Array(octets).buffer,
    now: Date.now(),
    proofs,
    wanted: {},
    deadlineMs: 60_000,
    progress: progressMemory(),
  };
  const { total, hits } = await by.score(job, () => undefined);
  const tagged = total >= by.book.settings.requiredScore;
  return { kind, name, points: total, tagged, rules: hits.map(({ rule }) => rule) };
}
