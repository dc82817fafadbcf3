// Compiling in short steps: the same rules come out, and the event loop runs in between however long the lists are.
import { describe, expect, it } from "vitest";
import { parseAddress } from "../../src/mail/address.ts";
import { compileRules, compilingRules } from "../../src/ruleset/compile.ts";
import { inTurns } from "../../src/sys/turns.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

const FACTS = { modes: [], hasOutgoing: false };
const lines = (count: number): string =>
  Array.from(
    { length: count },
    (_, i) => `deny user${i}@example${i % 1000}.example "no ${i}"`,
  ).join("\n");

describe("compilingRules", () => {
  it("gives what compileRules gives", async () => {
    const source = new Map([["senders.rules", lines(2_000)]]);
    const [now, later] = [
      compileRules(source, FACTS),
      await inTurns(compilingRules(source, FACTS)),
    ];
    if ("errors" in now || "errors" in later) throw new Error("the rules must compile");
    expect(later.ok.version).toBe(now.ok.version);
    expect(later.ok.show()).toEqual(now.ok.show());
    const address = parseAddress("user1999@example999.example");
    expect(later.ok.senders.all(address)).toEqual([1999]);
    expect(later.ok.senders.rules).toEqual(now.ok.senders.rules);
  });

  it("reports the same errors", async () => {
    const source = new Map([["senders.rules", `${lines(500)}\ndeny @\nallw x`]]);
    expect(await inTurns(compilingRules(source, FACTS))).toEqual(compileRules(source, FACTS));
  });

  it("lets the event loop run while 100,000 lines are compiled", async () => {
    let turns = 0;
    let going = true;
    const turn = (): void => {
      turns++;
      if (going) setImmediate(turn);
    };
    setImmediate(turn);
    const source = new Map([["senders.rules", lines(100_000)]]);
    const cpu = cpuClock();
    const compiled = await inTurns(compilingRules(source, FACTS));
    const ms = cpu();
    going = false;
    expect("ok" in compiled).toBe(true);
    expect(ms / turns).toBeLessThan(30);
    expect(turns).toBeGreaterThan(10);
  });
});
