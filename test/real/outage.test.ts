// The short form of outage.ts: postern is away for 45 s, long enough for the MTAs to defer mail and try again in vain.
import { describe, expect, test } from "vitest";
import { have } from "./lab/peers.ts";
import { judged, outage, OUTAGES } from "./outage.ts";

describe.skipIf(!have("root", "postfix", "exim"))("200 messages wait 45 s for postern", () => {
  test.concurrent.each(OUTAGES)(
    "in the queue of $mta, and all arrive once within 2 minutes",
    async (way) => {
      const result = await outage(way, 45_000, () => undefined);
      const { text, kept } = judged(way, result);
      console.log(text);
      expect(kept, text).toBe(true);
      expect(result).toMatchObject({ queued: 200, others: 0 });
    },
    360_000,
  );
});
