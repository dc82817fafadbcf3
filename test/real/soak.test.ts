// The short form of soak.ts: mixed load for a minute and a half, after which no message waits and memory has stopped growing.
import { expect, test } from "vitest";
import { have } from "./lab/peers.ts";
import { soak } from "./soak.ts";

test.skipIf(!have("root", "clamd", "spamd"))(
  "mixed load leaves nothing behind in memory",
  async () => {
    const found = await soak({
      seconds: 90,
      rate: 25,
      early: [1 / 3, 2 / 3],
      late: [2 / 3, 1],
      tell: () => undefined,
    });
    const { messages, questions, unacknowledged, earlyMB, lateMB } = found;
    console.log(
      `${messages} messages, ${questions} questions, ${earlyMB.toFixed(0)} MB, then ${lateMB.toFixed(0)} MB`,
    );
    expect(messages).toBeGreaterThan(500);
    expect(questions).toBeGreaterThan(100);
    expect(unacknowledged).toBe(0);
    // Half a minute is short against the heap's own rhythm: the long form takes ten minutes and allows 5 %.
    expect(lateMB).toBeLessThan(earlyMB * 1.15);
  },
);
