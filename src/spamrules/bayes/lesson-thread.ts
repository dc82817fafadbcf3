// The module of the threads that read messages for Bayes. Started by lessons.ts through sys/threads.ts.
import { answerJobs, given } from "../../sys/thread-side.ts";
import type { EngineData } from "../engine-job.ts";
import { parseRules } from "../language/parse.ts";
import { lessonReader } from "./lesson.ts";

const { texts, includes, languages, absent, problems, local } = given() as EngineData;
const named = new Map(includes.map(([file, by]) => [file, new Map(by)]));
const sources = {
  texts,
  includes: named,
  problems,
  ...(languages && { languages }),
  ...(absent && { absent }),
};
const read = lessonReader(parseRules(sources, { local }));

answerJobs<LessonJob>(({ octets, now }) => read(Buffer.from(octets), now));

export interface LessonJob {
  readonly octets: ArrayBuffer;
  readonly now: number;
}
