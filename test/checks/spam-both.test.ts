// Two scorers beside one another: who is served, what counts as a difference, and that the other one never keeps mail waiting.
import { describe, expect, test } from "vitest";
import { both, differenceOf, type Difference } from "../../src/checks/spam-both.ts";
import { NO_PROOFS } from "../../src/checks/spam-proofs.ts";
import type { Opinion, Scorer } from "../../src/checks/spam-scorer.ts";
import { oneBuffer } from "../../src/engine/report.ts";

const opinion = (
  total: number,
  rules: readonly string[],
  over: Partial<Opinion> = {},
): Opinion => ({
  kind: "scored",
  total,
  required: 5,
  rules: rules.map((name) => ({ name, score: 1 })),
  exact: true,
  autolearn: null,
  by: "x",
  partial: null,
  ...over,
});
const saying = (answer: Opinion | string, heard: string[] = []): Scorer => ({
  async score(body) {
    for await (const piece of body.open()) heard.push(piece.toString("latin1"));
    return typeof answer === "string" ? { kind: "error", why: answer } : answer;
  },
});
const never: Scorer = {
  score: (_body, _asked, signal) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve({ kind: "error", why: "late" }));
    }),
};
function rig(served: Scorer, other: Scorer, over: { otherMs?: number; atOnce?: number } = {}) {
  const told: (Difference | null | string)[] = [];
  const scorer = both({
    served,
    other,
    otherMs: 5000,
    atOnce: 2,
    compared: (difference) => told.push(difference),
    uncompared: (why) => told.push(why),
    ...over,
  });
  const score = () =>
    scorer.score(
      oneBuffer(Buffer.from("mail")),
      { id: "1-1", user: null, findings: [], proofs: NO_PROOFS },
      AbortSignal.timeout(9000),
    );
  const quiet = async (count: number): Promise<void> => {
    for (let i = 0; told.length < count && i < 500; i++) await new Promise((r) => setTimeout(r, 5));
  };
  return { told, score, quiet };
}

describe("what differs", () => {
  test.each([
    ["nothing", opinion(3, ["A", "B"]), opinion(3, ["B", "A"]), null],
    [
      "rules",
      opinion(3, ["A"]),
      opinion(3, ["B"]),
      { onlyServed: ["A"], onlyOther: ["B"], served: 3, other: 3 },
    ],
    [
      "points",
      opinion(3, ["A"]),
      opinion(3.02, ["A"]),
      { onlyServed: [], onlyOther: [], served: 3, other: 3.02 },
    ],
    ["no more than rounding", opinion(4.96, ["A"]), opinion(4.9, ["A"], { exact: false }), null],
    [
      "more than rounding",
      opinion(4.96, ["A"]),
      opinion(4.7, ["A"], { exact: false }),
      { served: 4.96, other: 4.7 },
    ],
    [
      "totals alone where a report names no rules",
      opinion(3, ["A"]),
      opinion(3, [], { exact: false }),
      null,
    ],
  ])("%s", (_what, served, other, expected) => {
    const difference = differenceOf(served, other);
    if (expected === null) expect(difference).toBeNull();
    else expect(difference).toMatchObject(expected);
  });
});

describe("asking both", () => {
  test("one is served, both get all of the message, and the difference is told", async () => {
    const [one, two]: [string[], string[]] = [[], []];
    const { told, score, quiet } = rig(
      saying(opinion(1, ["A"]), one),
      saying(opinion(2, ["B"]), two),
    );
    expect(await score()).toMatchObject({ total: 1 });
    await quiet(1);
    expect(told).toEqual([{ onlyServed: ["A"], onlyOther: ["B"], served: 1, other: 2 }]);
    expect([one, two]).toEqual([["mail"], ["mail"]]);
  });

  test("the other one keeps nobody waiting, and is given up", async () => {
    const { told, score, quiet } = rig(saying(opinion(1, [])), never, { otherMs: 30 });
    expect(await score()).toMatchObject({ total: 1 });
    expect(told).toEqual([]);
    await quiet(1);
    expect(told).toEqual(["late"]);
  });

  test("of many at once only some are compared", async () => {
    const { told, score, quiet } = rig(saying(opinion(1, [])), never, { otherMs: 50, atOnce: 1 });
    await Promise.all([score(), score(), score()]);
    await quiet(3);
    expect(told.filter((one) => one === "late")).toHaveLength(1);
    expect(
      told.filter((one) => typeof one === "string" && one.includes("compared already")),
    ).toHaveLength(2);
  });

  test("a served one without an answer has none, whatever the other says", async () => {
    const { told, score, quiet } = rig(saying("away"), saying(opinion(1, [])));
    expect(await score()).toEqual({ kind: "error", why: "away" });
    await quiet(1);
    expect(told).toEqual(["away"]);
  });

  test("a partial answer is not compared", async () => {
    const { told, score, quiet } = rig(
      saying(opinion(1, [], { partial: "at SLOW" })),
      saying(opinion(1, [])),
    );
    await score();
    await quiet(1);
    expect(told).toEqual(["at SLOW"]);
  });
});
