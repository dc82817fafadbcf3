// The module that the engine's threads run. Started by engine.ts through sys/threads.ts: compiles the rules that it is given once, then
// scores one message after the other.
import { answerJobs, given } from "../sys/thread-side.ts";
import type { EngineData, EngineJob } from "./engine-job.ts";
import { cachedScorer } from "./score.ts";

const engine = cachedScorer(given() as EngineData);

answerJobs<EngineJob>((job, out) =>
  job.kind === "about" ? engine.about : engine.begin(job, (note) => out.note(JSON.stringify(note))),
);
