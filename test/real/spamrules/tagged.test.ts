// rules/spam over a collection of mail whose kind is known: hardly any ham is tagged. SA_CORPUS names a directory with ham/ and spam/;
// the points were fitted to parts of such a collection, so that the bounds only keep what was reached.
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { messagesIn } from "../../parity/messages.ts";
import { judge, ruleScorer, type Kind } from "../../parity/small-set.ts";

const CORPUS = process.env["SA_CORPUS"];
const RULES = resolve(import.meta.dirname, "../../../rules/spam");

async function share(kind: Kind): Promise<number> {
  const by = await ruleScorer(RULES);
  let [all, tagged] = [0, 0];
  for await (const { name, octets } of messagesIn([resolve(CORPUS ?? "", kind)], false)) {
    all++;
    if ((await judge(by, kind, name, octets)).tagged) tagged++;
  }
  return tagged / all;
}

describe.skipIf(CORPUS === undefined)("rules/spam over SA_CORPUS", () => {
  it("tags at most 0.5 % of the ham", async () =>
    expect(await share("ham")).toBeLessThanOrEqual(0.005));

  it("tags at least 75 % of the spam", async () =>
    expect(await share("spam")).toBeGreaterThanOrEqual(0.75));
});
