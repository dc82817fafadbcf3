// Postern is away for a while: what an MTA must do, with its own retry rules from deploy/ and no help.
import { expect, test } from "vitest";
import { ORDINARY } from "./samples.ts";
import type { PosternWorld } from "./world.ts";

/** Two minutes for the mail to come, and what the outage itself takes. */
const COME_BACK_MS = 120_000;

/** Declares the case: thirty messages sent while postern is stopped arrive after its return, each once. */
export function outageCase(running: () => PosternWorld): void {
  test(
    "mail waits while postern is away, and arrives within 2 minutes of its return, each once",
    async () => {
      const world = running();
      const names = Array.from({ length: 30 }, (_, index) => `outage-${index}`);
      await world.postern.stop();
      for (const name of names) {
        const raw = Buffer.from(
          ORDINARY.raw.toString("latin1").replaceAll("lab-ordinary", `lab-${name}`),
          "latin1",
        );
        expect((await world.send(raw)).reply).toMatch(/^250 /);
      }
      // Long enough for the MTA to try, fail and put the mail aside.
      await new Promise((resolve) => setTimeout(resolve, 5000));
      expect((await world.mta.queued()).length).toBeGreaterThanOrEqual(names.length);
      await world.postern.start();
      for (const name of names) await world.sink.find(`<lab-${name}@`, COME_BACK_MS);
      await world.mta.queueEmpty(COME_BACK_MS);
      expect(names.map((name) => world.copies(name).length)).toEqual(names.map(() => 1));
      // Exim's words for mail that it took back and then let lie.
      expect(await world.mta.log()).not.toContain("no immediate delivery");
    },
    COME_BACK_MS + 60_000,
  );
}
