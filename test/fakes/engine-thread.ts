// A thread of the engine that does what the message says: "hang" never ends after a hit, "throw" fails, "late" ends by itself, anything
// else hits ONE.
import type { Answer, EngineJob } from "../../src/spamrules/engine-job.ts";
import { progressWriter } from "../../src/spamrules/progress.ts";
import { answerJobs } from "../../src/sys/thread-side.ts";

const hit = { rule: "ONE", score: 1.5, describe: "the one", count: 1, matched: null };

answerJobs<EngineJob>((job, out) => {
  if (job.kind === "about") return { version: "v", rules: 1, problems: [] };
  const text = Buffer.from(job.octets).toString("latin1");
  const at = progressWriter(job.progress);
  if (text.includes("throw")) throw new Error("no such rule book");
  out.note(JSON.stringify({ required: 5 }));
  at("ONE");
  out.note(JSON.stringify({ hit }));
  out.note(JSON.stringify({ hit: { ...hit, rule: "__SUB", score: 0 } }));
  at("SLOW_RULE");
  if (text.includes("hang")) for (;;);
  const answer: Answer = {
    total: 1.5,
    required: 5,
    hits: [hit],
    names: ["ONE"],
    partial: text.includes("late") ? { rule: "SLOW_RULE" } : null,
    autolearn: "disabled",
    bayes: null,
    tags: new Map([["SIZE", String(text.length)]]),
    report: job.wanted.also === "report" ? "said" : null,
    mail: null,
  };
  return answer;
});
