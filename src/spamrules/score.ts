// Rule files made ready, and a message scored by them: what a thread of the engine does, and a tool that needs no thread.
import type { MessagePort } from "node:worker_threads";
import { answering, pointsOf } from "./answer.ts";
import type {
  AboutRules,
  Answer,
  EngineData,
  EngineJob,
  EngineNote,
  EngineReply,
  Parley,
  Waiting,
} from "./engine-job.ts";
import { dnsBlocks } from "./evals/dns-blocks.ts";
import { renderHtml } from "./html/render.ts";
import { Inquiry } from "./inquiry.ts";
import { parseRules } from "./language/parse.ts";
import { KnownPatterns } from "./pattern/known-patterns.ts";
import { readKnown, writeKnown } from "./pattern/pattern-cache.ts";
import { prepare, toolsOf } from "./prepare.ts";
import { compileProgram, type Program } from "./program.ts";
import { progressWriter } from "./progress.ts";
import type { RuleBook } from "./rulebook.ts";
import type { Subject } from "./subject.ts";
import { run, type LateAnswers, type Running } from "./run.ts";

export interface MessageScorer {
  readonly book: RuleBook;
  readonly about: AboutRules;
  /** Asks nobody. `note` is told what must not be lost when this is killed. */
  score(job: Omit<ScoreJob, "asks">, note: (note: EngineNote) => void): Promise<Answer>;
  /** The same; with something to ask, what to ask: the rest is said at the port. */
  begin(job: ScoreJob, note: (note: EngineNote) => void): Answer | Waiting;
}

/** scorer() with what the cache file knows; it is written again when it was not enough. */
export function cachedScorer(data: EngineData): MessageScorer {
  if (data.cache === undefined) return scorer(data);
  const known = readKnown(data.cache);
  const made = scorer(data, known);
  if (known.isNew) writeKnown(data.cache, known);
  return made;
}

/** Parses and compiles: two seconds of CPU for the stock rules when nothing is known. Never throws for anything that rule files hold. */
export function scorer(data: EngineData, known = new KnownPatterns()): MessageScorer {
  const { texts, includes, languages, absent, problems, local, language = "en_US" } = data;
  const sources = {
    texts,
    includes: new Map(includes.map(([file, named]) => [file, new Map(named)])),
    problems,
    ...(languages && { languages }),
    ...(absent && { absent }),
  };
  const book = parseRules(sources, { local, language });
  const first = compileProgram(book, { local, bayes: data.bayes, known });
  const tools = toolsOf(book.settings, renderHtml);
  let latest = { bayes: data.bayes, program: first };
  /** Bayes becomes of use, or ceases to be, once in a long while: only one program is kept. */
  const programFor = (bayes: boolean): Program => {
    if (latest.bayes === bayes) return latest.program;
    const more = data.cache === undefined ? new KnownPatterns() : readKnown(data.cache);
    latest = { bayes, program: compileProgram(book, { local, bayes, known: more }) };
    return latest.program;
  };
  const blocks = dnsBlocks(book.settings);
  const answerOf = answering(data, book);
  const begin: MessageScorer["begin"] = (job, note) => {
    const { asks, proofs, wanted } = job;
    const program = programFor(asks?.bayes ?? false);
    const subject = prepare(Buffer.from(job.octets), { now: job.now }, tools);
    const deadline = performance.now() + job.deadlineMs;
    const running = begun(program, subject, job, deadline, note);
    const finish = (late: LateAnswers = {}): Answer =>
      answerOf(job, program, subject, running.finish(late, wanted.subrules ?? false));
    if (asks === null) return finish();
    const facts = { program, subject, running, proofs, blocks, wants: asks, deadline };
    const inquiry = new Inquiry(facts);
    const first = inquiry.next();
    if (first === null) return finish();
    converse(asks.port, inquiry, () => finish(inquiry.found));
    return { asks: first };
  };
  return {
    book,
    about: {
      version: book.version,
      rules: book.rules.size,
      problems: [...book.problems, ...first.problems],
    },
    begin,
    score: async (job, note) => begin({ ...job, asks: null }, note) as Answer,
  };
}

type ScoreJob = EngineJob & { readonly kind: "score" };

/** Runs what can be answered here. */
function begun(
  program: Program,
  subject: Subject,
  { proofs, wanted, progress }: ScoreJob,
  deadline: number,
  note: (note: EngineNote) => void,
): Running {
  note({ required: program.book.settings.requiredScore });
  return run(program, subject, {
    proofs,
    deadline,
    progress: progressWriter(progress),
    explain: wanted.explain ?? false,
    onHit: ({ name: rule, describe }) => {
      if (rule.startsWith("__")) return;
      const score = pointsOf(program, rule) ?? 0;
      note({ hit: { rule, score, describe, count: 1, matched: null } });
    },
  });
}

/** What the other side says goes to the inquiry; once there is nothing left to ask, the answer goes out and the port is closed. */
function converse(port: MessagePort, inquiry: Inquiry, finish: () => Answer): void {
  const said = (reply: EngineReply): Parley => {
    try {
      inquiry.take(reply);
      const asks = inquiry.next();
      return asks === null ? { answer: finish() } : { asks };
    } catch (error) {
      return { failed: (error as Error).message };
    }
  };
  port.on("message", (reply: EngineReply) => {
    const parley = said(reply);
    port.postMessage(parley);
    if (!("asks" in parley)) port.close();
  });
}
