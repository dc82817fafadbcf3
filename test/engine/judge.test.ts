// The order of the checks: tiers one after the other, the checks of a tier side by side, the scorer behind all that is cheap.
import { expect, it } from "vitest";
import { judge, type Bench } from "../../src/engine/judge.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { TIERS, type Check, type Tier } from "../../src/verdict/check.ts";
import { message } from "../fakes/message.ts";

function bench(checks: readonly Check<"message">[]): Bench {
  const source = new Map([["policy.rules", "level tag always\n"]]);
  const compiled = compileRules(source, { modes: [], hasOutgoing: false });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  return { rules: compiled.ok, checks };
}

const OPTIONS = {
  isLocal: () => true,
  checkDeadlineMs: 5000,
  signal: new AbortController().signal,
};

it("checks of one tier run side by side, tiers in order, each with what the earlier ones found", async () => {
  const running = new Set<string>();
  const met: string[] = [];
  const seen: number[] = [];
  /** Ends only when the other check of its tier has begun too. */
  const pair = (tier: Tier, n: number): Check<"message"> => ({
    name: `${tier}${n}`,
    stage: "message",
    tier,
    symbols: [{ symbol: "X", category: "spam", score: 0, meaning: "" }],
    async run(_message, so) {
      seen.push(so.findings.length);
      running.add(`${tier}${n}`);
      while (!running.has(`${tier}${3 - n}`))
        await new Promise((resolve) => setTimeout(resolve, 1));
      met.push(tier);
      return [{ check: `${tier}${n}`, symbol: "X", category: "spam", score: 0, detail: "" }];
    },
  });
  const checks = [...TIERS].reverse().flatMap((tier) => [pair(tier, 1), pair(tier, 2)]);
  const { timings, findings } = await judge(message({}), bench(checks), OPTIONS);
  expect(met).toEqual(TIERS.flatMap((tier) => [tier, tier]));
  expect(seen).toEqual(TIERS.flatMap((_tier, i) => [2 * i, 2 * i]));
  expect(findings).toHaveLength(2 * TIERS.length);
  expect([...timings.keys()].map((name) => name.slice(0, -1))).toEqual(met);
  for (const ms of timings.values()) expect(ms).toBeGreaterThanOrEqual(0);
  expect(TIERS.indexOf("score")).toBeGreaterThan(TIERS.indexOf("content"));
});
