// The module that the threads of the deep reading run. Started by deep.ts through sys/threads.ts.
import { answerJobs } from "../sys/thread-side.ts";
import { readDeep, type DeepJob } from "./deep-job.ts";
import { looksInto } from "./looks-into.ts";
import { otherReadings } from "./readings.ts";

const looks = looksInto();

answerJobs<DeepJob>((job, out) => readDeep(job, out, looks, otherReadings));
