// Rule files made ready, and a message scored by them: what a thread of the engine does, and a tool that needs no thread.
import type { AboutRules, Answer, EngineData, EngineJob, EngineNote } from "./engine-job.ts";
import { renderHtml } from "./html/render.ts";
import { parseRules } from "./language/parse.ts";
import { prepare, toolsOf } from "./prepare.ts";
import { compileProgram, type Program } from "./program.ts";
import { progressWriter } from "./progress.ts";
import { reportOf, type ReportFacts } from "./report.ts";
import { rewritten } from "./rewrite.ts";
import type { RuleBook } from "./rulebook.ts";
import { run } from "./run.ts";
import type { RuleHit, Scored } from "./verdict.ts";

export interface MessageScorer {
  readonly book: RuleBook;
  readonly program: Program;
  readonly about: AboutRules;
  /** `note` is told what must not be lost when this is killed. */
  score(job: EngineJob & { readonly kind: "score" }, note: (note: EngineNote) => void): Answer;
}

/** Parses and compiles: a second of CPU for the stock rules. Never throws for anything that rule files hold. */
export function scorer(data: EngineData): MessageScorer {
  const { texts, includes, problems, local, bayes, hostname } = data;
  const sources = {
    texts,
    includes: new Map(includes.map(([file, named]) => [file, new Map(named)])),
    problems,
  };
  const book = parseRules(sources, { local });
  const program = compileProgram(book, { local, bayes });
  const tools = toolsOf(book.settings, renderHtml);
  const required = book.settings.requiredScore;
  const place = (rule: string): number => program.places.get(rule) ?? -1;
  const points = (rule: string): number => program.points[place(rule)] ?? 0;
  return {
    book,
    program,
    about: {
      version: book.version,
      rules: book.rules.size,
      problems: [...book.problems, ...program.problems],
    },
    score({ octets, now, proofs, wanted, deadlineMs, progress }, note) {
      note({ required });
      const until = performance.now() + deadlineMs;
      const mail = Buffer.from(octets);
      const subject = prepare(mail, { now }, tools);
      const scored = run(program, subject, {
        proofs,
        deadline: until,
        progress: progressWriter(progress),
        explain: wanted.explain ?? false,
        onHit: ({ name: rule, describe }) => {
          if (rule.startsWith("__")) return;
          note({ hit: { rule, score: points(rule), describe, count: 1, matched: null } });
        },
      }).finish({}, wanted.subrules ?? false);
      const names = namesOf(scored, program);
      if (wanted.also === undefined) return { ...scored, names, report: null, mail: null };
      const facts: ReportFacts = {
        scored,
        book,
        subject,
        points: (rule) => (place(rule) < 0 ? (hitOf(scored, rule)?.score ?? 0) : points(rule)),
        mboxLine: /^From [^\n]{0,1000}\n/.exec(mail.toString("latin1", 0, 1010))?.[0] ?? "",
        hostname,
        remote: wanted.remote ?? { name: "localhost", address: "127.0.0.1" },
        now,
      };
      return {
        ...scored,
        names,
        report: wanted.also === "report" ? reportOf(facts) : null,
        mail: wanted.also === "mail" ? Buffer.from(rewritten(facts), "latin1") : null,
      };
    },
  };
}

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
