// The short form of main.ts: every fault strikes at least once while mixed mail flows over all roads. Nothing that was acknowledged is
// lost, a second copy needs a lost reply, no try outlives its deadline, and all mail is through in the end.
import { expect, test } from "vitest";
import { have } from "../lab/peers.ts";
import { kept, report } from "./accounts.ts";
import { FAULTS } from "./all-faults.ts";
import { campaign } from "./campaign.ts";

test.skipIf(!have("root", "clamd", "spamd"))(
  "what was acknowledged survives every fault",
  async () => {
    const outcome = await campaign({
      faults: FAULTS,
      messages: 60,
      leastMs: 1500,
      connectionsPerRoad: 2,
      tell: () => undefined,
    });
    const text = report(outcome.accounts);
    console.log(text);
    expect(outcome.accounts.length).toBe(FAULTS.length);
    expect(outcome.accounts.filter((account) => !kept(account)).length, text).toBe(0);
    expect(outcome.wrong).toEqual([]);
    expect(outcome.bugs).toEqual([]);
    expect(outcome.accounts.reduce((sum, { retries }) => sum + retries, 0)).toBeGreaterThan(0);
  },
  600_000,
);
