// The engine over threads of a fake that misbehave, and over a real one: what a killed message leaves, and how one set of rules follows
// another.
import { afterEach, describe, expect, test } from "vitest";
import { engineScorer } from "../../src/checks/spam-engine.ts";
import { NO_PROOFS } from "../../src/checks/spam-proofs.ts";
import { oneBuffer } from "../../src/engine/report.ts";
import { spamEngine, type SpamEngine } from "../../src/spamrules/engine.ts";
import type { EngineData } from "../../src/spamrules/engine-job.ts";
import { progressMemory, progressWriter, readProgress } from "../../src/spamrules/progress.ts";

const RULES = String.raw`
body OFFER /fine offer/
describe OFFER An offer
score OFFER 2.5
header HAS_X exists:X-Odd
score HAS_X -0.25
body __SUB /offer/
meta BOTH OFFER && __SUB
score BOTH 3
report _SCORE_ of _REQD_ by _TESTS_
rewrite_header Subject [SPAM]
report_safe 0
a line that nobody knows
`;
const data = (octets: string): EngineData => ({
  texts: [{ file: "/etc/own.cf", octets }],
  includes: [],
  problems: [],
  local: true,
  bayes: false,
  hostname: "filter.example",
});
const FAKE = new URL("../fakes/engine-thread.ts", import.meta.url);
const open: SpamEngine[] = [];
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close();
});
function engineOf(over: Partial<Parameters<typeof spamEngine>[0]> = {}): SpamEngine {
  const engine = spamEngine({ data: data(RULES), deadlineMs: 5000, ...over });
  open.push(engine);
  return engine;
}
const score = (
  engine: SpamEngine,
  text: string,
  wanted: Partial<Parameters<SpamEngine["score"]>[1]> = {},
): ReturnType<SpamEngine["score"]> =>
  engine.score(
    [Buffer.from(text.slice(0, 3), "latin1"), Buffer.from(text.slice(3), "latin1")],
    { now: 0, ...wanted },
    null,
  );

const MAIL = "Subject: hello\nX-Odd: 1\n\na fine offer\n";

describe("with rules", () => {
  test("rules hit, subrules only on demand, and metas follow", async () => {
    const engine = engineOf();
    expect(await score(engine, MAIL)).toMatchObject({
      total: 5.25,
      required: 5,
      names: ["BOTH", "HAS_X", "OFFER"],
      hits: [
        { rule: "BOTH", score: 3 },
        { rule: "HAS_X", score: -0.25 },
        { rule: "OFFER", score: 2.5, describe: "An offer" },
      ],
      partial: null,
      report: null,
      mail: null,
    });
    const all = await score(engine, MAIL, { subrules: true });
    expect("failed" in all ? [] : all.hits.map(({ rule }) => rule)).toContain("__SUB");
  });

  test("what it hit on is said on demand", async () => {
    const scorer = engineScorer({
      engine: () => engine,
      explain: true,
      bayes: null,
      dns: null,
      onResult: () => {},
    });
    const engine = engineOf();
    const asked = { id: "1-1", user: null, findings: [], proofs: NO_PROOFS };
    const opinion = await scorer.score(
      oneBuffer(Buffer.from(MAIL)),
      asked,
      AbortSignal.timeout(9000),
    );
    if (opinion.kind === "error") throw new Error(opinion.why);
    expect(opinion.rules.find(({ name }) => name === "OFFER")?.detail).toMatch(
      /^An offer \(.*: "fine offer"\)$/,
    );
  });

  test("a report and a rewritten message", async () => {
    const engine = engineOf();
    const report = await score(engine, MAIL, { also: "report" });
    expect("failed" in report ? "" : report.report).toBe("5.2 of 5.0 by BOTH,HAS_X,OFFER\n\n");
    const mail = await score(engine, MAIL, { also: "mail" });
    const text = "failed" in mail ? "" : Buffer.from(mail.mail ?? []).toString("latin1");
    expect(text).toContain("Subject: [SPAM] hello\n");
    expect(text).toContain("X-Spam-Prev-Subject: hello\n");
    expect(text.endsWith("\n\na fine offer\n")).toBe(true);
  });

  test("what was not understood is told with file and line", async () => {
    const about = await engineOf().warm();
    if ("failed" in about) throw new Error(about.failed);
    expect(about.rules).toBe(4);
    expect(about.problems).toMatchObject([{ file: "/etc/own.cf", line: 13 }]);
  });

  test("Bayes is asked for the tokens of the message, and its answer is a rule", async () => {
    const learned = `${RULES}loadplugin Mail::SpamAssassin::Plugin::Bayes\nbody BAYES_99 eval:check_bayes('0.99', '1.00')\ntflags BAYES_99 learn\nscore BAYES_99 0 0 3.5 3.5\n`;
    const engine = engineOf({ data: data(learned) });
    const heard: number[] = [];
    const asked = await score(engine, MAIL, {
      bayes: async (ids) => {
        heard.push(...ids);
        return 0.995;
      },
    });
    expect(heard.length).toBeGreaterThan(1);
    expect(asked).toMatchObject({ bayes: 0.995, total: 8.75 });
    expect(await score(engine, MAIL)).toMatchObject({ bayes: null, total: 5.25 });
    const down = await score(engine, MAIL, { bayes: () => Promise.reject(new Error("down")) });
    expect(down).toMatchObject({ bayes: null, total: 5.25, partial: null });
  });

  test("a pattern that never ends is stopped and named; what had hit counts", async () => {
    const slow = `${RULES}body ENDLESS /^(?:x+x+)+[^x]$/\nscore ENDLESS 1\npriority ENDLESS 10\n`;
    const engine = engineOf({ data: data(slow), deadlineMs: 300 });
    await engine.warm();
    const answer = await score(engine, `${MAIL}\n${"x".repeat(60)}!!\n`);
    expect(answer).toMatchObject({ partial: { rule: "ENDLESS" }, required: 5 });
    expect("failed" in answer ? [] : answer.hits.map(({ rule }) => rule)).toContain("OFFER");
    expect(await score(engine, MAIL)).toMatchObject({ total: 5.25, partial: null });
  });
});

describe("with threads that misbehave", () => {
  test("a killed one leaves its points and the name of the rule", async () => {
    const engine = engineOf({ module: FAKE, deadlineMs: 200 });
    expect(await score(engine, "hang")).toMatchObject({
      total: 1.5,
      required: 5,
      hits: [{ rule: "ONE" }],
      names: ["ONE"],
      partial: { rule: "SLOW_RULE" },
    });
    expect(await score(engine, "fine")).toMatchObject({ total: 1.5, partial: null });
  });

  test("one that throws has no answer", async () => {
    expect(await score(engineOf({ module: FAKE }), "throw")).toEqual({
      failed: "the rules: no such rule book",
    });
  });

  test("one that cannot be started says so", async () => {
    const module = new URL("../fakes/no-such-thread.ts", import.meta.url);
    expect(await engineOf({ module }).warm()).toHaveProperty("failed");
  });

  test("closing waits for what is under way, and refuses what comes", async () => {
    const engine = engineOf({ module: FAKE });
    const last = score(engine, "fine");
    const end = engine.close();
    expect(await score(engine, "more")).toHaveProperty("failed");
    expect(await last).toMatchObject({ total: 1.5 });
    await end;
  });
});

test("progress keeps the last name, cut to what fits", () => {
  const memory = progressMemory();
  expect(readProgress(memory)).toBe("");
  const write = progressWriter(memory);
  write("LONGER_NAME");
  write("SHORT");
  expect(readProgress(memory)).toBe("SHORT");
  write("X".repeat(500));
  expect(readProgress(memory)).toMatch(/^X{100,126}$/);
});
