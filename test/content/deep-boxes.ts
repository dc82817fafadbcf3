// The threads of deep.test.ts: they read boxes and gzip, and other readings as the message says ("X-Other: …").
import { gzip } from "../../src/content/containers/gzip.ts";
import { readDeep, type DeepJob } from "../../src/content/deep-job.ts";
import { looksInto } from "../../src/content/looks-into.ts";
import { answerJobs } from "../../src/sys/thread-side.ts";
import { boxes } from "./boxes.ts";

const looks = looksInto([boxes, gzip]);

answerJobs<DeepJob>((job, out) =>
  readDeep(job, out, looks, (message) => {
    const text = /^X-Other: (.*)$/m.exec(message.read(0, 10_000).toString("latin1"))?.[1];
    if (text === "throw") throw new Error("readings failed");
    if (text === undefined) return [];
    const octets = Buffer.from(text.trimEnd());
    return [{ of: "1", reading: "other", type: "a/b", names: ["o"], octets: () => [octets] }];
  }),
);
