// A process of its own that compiles SpamAssassin's rules once and says what they are: the supervisor, which must outlive everything, needs
// neither the memory for that nor its risks. Started by spam-rules-check.ts.
import { setPriority } from "node:os";
import type { EngineData } from "./spamrules/engine-job.ts";
import { cachedScorer } from "./spamrules/score.ts";

try {
  setPriority(10);
} catch {
  // Where the unit forbids it.
}
process.once("message", (data: EngineData) => {
  process.send?.(cachedScorer(data).about, () => process.disconnect());
});
