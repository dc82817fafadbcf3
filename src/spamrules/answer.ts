// What becomes of the hits of a message: whether it may teach Bayes, the names as SpamAssassin lists them, and the report or the message
// as it would hand it back. Called by score.ts at the end.
import { autolearnClass, type AutolearnLimits } from "./bayes/autolearn.ts";
import { SHORTCIRCUIT } from "./evaluate/tally.ts";
import type { Answer, EngineData, EngineJob } from "./engine-job.ts";
import { namesIn } from "./language/meta.ts";
import type { Program } from "./program.ts";
import { reportOf, type ReportFacts } from "./report.ts";
import { rewritten } from "./rewrite.ts";
import type { Rule, RuleBook } from "./rulebook.ts";
import type { Subject } from "./subject.ts";
import type { RuleHit, Scored } from "./verdict.ts";

export type Answering = (
  job: EngineJob & { readonly kind: "score" },
  program: Program,
  subject: Subject,
  scored: Scored,
) => Answer;

export function answering(data: EngineData, book: RuleBook): Answering {
  const { local, hostname } = data;
  return (job, program, subject, first) => {
    const scored = { ...first, autolearn: "disabled" as Scored["autolearn"] };
    if (data.autolearn !== undefined)
      scored.autolearn = autolearnOf(scored, book, local, job.asks?.bayes ?? false, data.autolearn);
    const names = namesOf(scored, program);
    const { also, remote = { name: "localhost", address: "127.0.0.1" } } = job.wanted;
    if (also === undefined) return { ...scored, names, report: null, mail: null };
    const start = Buffer.from(job.octets).toString("latin1", 0, 1010);
    const facts: ReportFacts = {
      scored,
      book,
      subject,
      names,
      points: (rule) =>
        (rule === SHORTCIRCUIT ? undefined : pointsOf(program, rule)) ??
        hitOf(scored, rule)?.score ??
        0,
      mboxLine: /^From [^\n]{0,1000}\n/.exec(start)?.[0] ?? "",
      hostname,
      remote,
      now: job.now,
    };
    return {
      ...scored,
      names,
      report: also === "report" ? reportOf(facts) : null,
      mail: also === "mail" ? Buffer.from(rewritten(facts), "latin1") : null,
    };
  };
}

/** Points of one hit. */
export const pointsOf = ({ places, points }: Program, rule: string): number | undefined =>
  points[places.get(rule) ?? -1];

const hitOf = ({ hits }: Scored, rule: string): RuleHit | undefined =>
  hits.find((hit) => hit.rule === rule);

/** As SpamAssassin lists them. */
function namesOf({ hits }: Scored, { places, repeats }: Program): string[] {
  return hits
    .filter(({ rule }) => !rule.startsWith("__"))
    .flatMap(({ rule, count }) =>
      repeats[places.get(rule) ?? -1] === 1 ? Array<string>(count).fill(rule) : [rule],
    );
}

/** Whether a message may teach Bayes by itself; one that was not judged to the end teaches nothing. */
function autolearnOf(
  { hits, total, required, partial }: Scored,
  book: RuleBook,
  local: boolean,
  bayes: boolean,
  limits: AutolearnLimits,
): Scored["autolearn"] {
  if (partial !== null) return "unavailable";
  if (hits.some(({ rule }) => rule === SHORTCIRCUIT)) return "disabled";
  const dependencies = ({ definition }: Rule): readonly string[] =>
    definition.type === "meta" ? namesIn(definition.expression) : [];
  const names = hits.map(({ rule }) => rule).filter((name) => !name.startsWith("__"));
  const scoreSet = (local ? 0 : 1) + (bayes ? 2 : 0);
  const means = { book, scoreSet, dependencies };
  return autolearnClass(names, total >= required, means, limits) ?? "no";
}
