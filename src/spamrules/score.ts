// Rule files made ready, and a message scored by them: what a thread of the engine does, and a tool that needs no thread.
import { once } from "node:events";
import type { MessagePort } from "node:worker_threads";
import { autolearnClass, type AutolearnLimits } from "./bayes/autolearn.ts";
import type { Token } from "./bayes/token.ts";
import { tokensOf } from "./bayes/tokens.ts";
import type {
  AboutRules,
  Answer,
  BayesAnswer,
  EngineData,
  EngineJob,
  EngineNote,
} from "./engine-job.ts";
import { renderHtml } from "./html/render.ts";
import { namesIn } from "./language/meta.ts";
import { parseRules } from "./language/parse.ts";
import { prepare, toolsOf } from "./prepare.ts";
import { compileProgram, type Program } from "./program.ts";
import { progressWriter } from "./progress.ts";
import { reportOf, type ReportFacts } from "./report.ts";
import { rewritten } from "./rewrite.ts";
import type { Rule, RuleBook } from "./rulebook.ts";
import { run } from "./run.ts";
import type { Subject } from "./subject.ts";
import type { RuleHit, Scored } from "./verdict.ts";

export interface MessageScorer {
  readonly book: RuleBook;
  /** Without Bayes. */
  readonly program: Program;
  readonly about: AboutRules;
  /** `note` is told what must not be lost when this is killed. */
  score(
    job: EngineJob & { readonly kind: "score" },
    note: (note: EngineNote) => void,
  ): Promise<Answer>;
}

/** Parses and compiles: a second of CPU for the stock rules. Never throws for anything that rule files hold. */
export function scorer(data: EngineData): MessageScorer {
  const { texts, includes, problems, local, hostname } = data;
  const sources = {
    texts,
    includes: new Map(includes.map(([file, named]) => [file, new Map(named)])),
    problems,
  };
  const book = parseRules(sources, { local });
  const first = compileProgram(book, { local, bayes: data.bayes });
  const tools = toolsOf(book.settings, renderHtml);
  let latest = { bayes: data.bayes, program: first };
  /** Bayes becomes of use, or ceases to be, once in a long while: only one program is kept. */
  const programFor = (bayes: boolean): Program => {
    if (latest.bayes !== bayes) latest = { bayes, program: compileProgram(book, { local, bayes }) };
    return latest.program;
  };
  return {
    book,
    program: first,
    about: {
      version: book.version,
      rules: book.rules.size,
      problems: [...book.problems, ...first.problems],
    },
    async score(job, note) {
      const program = programFor(job.bayes !== null);
      const mail = Buffer.from(job.octets);
      const subject = prepare(mail, { now: job.now }, tools);
      const scored = {
        ...(await scoredBy(program, subject, job, note)),
        autolearn: "disabled" as Scored["autolearn"],
      };
      if (data.autolearn !== undefined)
        scored.autolearn = autolearnOf(scored, book, local, job.bayes !== null, data.autolearn);
      const names = namesOf(scored, program);
      const { also, remote = { name: "localhost", address: "127.0.0.1" } } = job.wanted;
      if (also === undefined) return { ...scored, names, report: null, mail: null };
      const facts: ReportFacts = {
        scored,
        book,
        subject,
        names,
        points: (rule) => pointsOf(program, rule) ?? hitOf(scored, rule)?.score ?? 0,
        mboxLine: /^From [^\n]{0,1000}\n/.exec(mail.toString("latin1", 0, 1010))?.[0] ?? "",
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
    },
  };
}

type ScoreJob = EngineJob & { readonly kind: "score" };

/** The rules in two steps: what this thread can answer itself, then what hangs on what was learned. */
async function scoredBy(
  program: Program,
  subject: Subject,
  { proofs, wanted, deadlineMs, progress, bayes }: ScoreJob,
  note: (note: EngineNote) => void,
): Promise<Scored> {
  const { settings } = program.book;
  const until = performance.now() + deadlineMs;
  note({ required: settings.requiredScore });
  const running = run(program, subject, {
    proofs,
    deadline: until,
    progress: progressWriter(progress),
    explain: wanted.explain ?? false,
    onHit: ({ name: rule, describe }) => {
      if (rule.startsWith("__")) return;
      const score = pointsOf(program, rule) ?? 0;
      note({ hit: { rule, score, describe, count: 1, matched: null } });
    },
  });
  const chance =
    bayes === null
      ? null
      : await asked(bayes, tokensOf(subject, settings, "scan"), until - performance.now());
  return running.finish({ bayes: chance }, wanted.subrules ?? false);
}

/** null when nobody answers in time. */
async function asked(
  bayes: MessagePort,
  tokens: readonly Token[],
  ms: number,
): Promise<BayesAnswer> {
  try {
    bayes.postMessage(tokens.map(({ id }) => id));
    const signal = AbortSignal.timeout(Math.max(0, Math.floor(ms)));
    const [answer] = (await once(bayes, "message", { signal })) as [BayesAnswer];
    return answer;
  } catch {
    return null; // late
  } finally {
    bayes.close();
  }
}

const pointsOf = ({ places, points }: Program, rule: string): number | undefined =>
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
  const dependencies = ({ definition }: Rule): readonly string[] =>
    definition.type === "meta" ? namesIn(definition.expression) : [];
  const names = hits.map(({ rule }) => rule).filter((name) => !name.startsWith("__"));
  const scoreSet = (local ? 0 : 1) + (bayes ? 2 : 0);
  const means = { book, scoreSet, dependencies };
  return autolearnClass(names, total >= required, means, limits) ?? "no";
}
