import { afterEach, describe, expect, it } from "vitest";
import { engineScorer } from "../../../src/checks/spam-engine.ts";
import { NO_PROOFS } from "../../../src/checks/spam-proofs.ts";
import { oneBuffer } from "../../../src/engine/report.ts";
import { spamEngine, type SpamEngine } from "../../../src/spamrules/engine.ts";
import type { EngineData } from "../../../src/spamrules/engine-job.ts";

const octets = `
header HEAD Subject =~ /offer/
body BODY /pills/
score HEAD 7
score BODY 7
body SMALL /maybe/
score SMALL 1
`;
const DATA: EngineData = {
  texts: [{ file: "/t.cf", octets }],
  includes: [],
  problems: [],
  local: true,
  bayes: false,
  hostname: "mx.example.org",
};
let engine: SpamEngine | null = null;
afterEach(async () => engine?.close());

async function taught(data: EngineData, ...texts: string[]): Promise<string[]> {
  const made = spamEngine({ data, deadlineMs: 20_000 });
  engine = made;
  const lessons: string[] = [];
  const scorer = engineScorer({
    engine: () => made,
    explain: false,
    bayes: null,
    dns: null,
    learn: async (pieces, label) => {
      lessons.push(`${label}: ${Buffer.concat(pieces).toString()}`);
    },
    onResult: () => {},
  });
  for (const text of texts) {
    const asked = { id: "1-1", user: null, findings: [], proofs: NO_PROOFS };
    await scorer.score(oneBuffer(Buffer.from(text)), asked, AbortSignal.timeout(20_000));
  }
  return lessons;
}

const SPAM = "Subject: offer\n\npills\n";
const HAM = "Subject: minutes\n\nof the meeting\n";
const NEITHER = "Subject: minutes\n\nmaybe\n";

describe("what the engine has scored", () => {
  it("is learned when the other rules are sure", async () => {
    const autolearn = { ham: 0.1, spam: 12 };
    expect(await taught({ ...DATA, autolearn }, SPAM, HAM, NEITHER)).toEqual([
      `spam: ${SPAM}`,
      `ham: ${HAM}`,
    ]);
  });

  it("is not learned without being asked for", async () => {
    expect(await taught(DATA, SPAM, HAM)).toEqual([]);
  });
});
