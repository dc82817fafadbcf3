// Real Exim from deploy/exim4/*: after the queue over SMTP, LMTP and a unix socket, and in the dialogue by cutthrough.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dkim, type Dkim } from "./lab/dkim.ts";
import { hookupCases } from "./lab/hookup-suite.ts";
import { outageCase } from "./lab/outage.ts";
import { inject } from "./lab/inject.ts";
import { have } from "./lab/peers.ts";
import { longLine, ORDINARY } from "./lab/samples.ts";
import { HOOKUPS, worldWithPostern, type PosternWorld } from "./lab/world.ts";

const WAYS = HOOKUPS.filter((way) => way.mta === "exim");

describe.skipIf(!have("root", "users", "exim", "mail-dkim"))("Exim", () => {
  describe.each(WAYS)("$hookup over $via", (way) => {
    let world: PosternWorld;
    let key: Dkim;
    beforeAll(async () => {
      world = await worldWithPostern(way);
      key = await dkim(world.lab.dir);
    });
    afterAll(() => world?.lab.cleanUp());
    hookupCases(way, () => ({ world, dkim: key }));
    test("mail of an authenticated user is outbound, to us internal", async () => {
      const sent = await inject({
        port: world.mta.smtpPort,
        localAddress: world.client,
        from: "user@example.com",
        to: ["x@elsewhere.example", "other@example.com"],
        data: Buffer.from("Message-ID: <lab-own@example.com>\r\nSubject: own\r\n\r\nx\r\n"),
        auth: ["user@example.com", "secret"],
      });
      expect(sent.reply).toMatch(/^250 /);
      expect(await world.logLine("own")).toMatch(
        / Passed CLEAN \{Relayed(?:Outbound,RelayedInternal|Internal,RelayedOutbound)\}, /,
      );
      await world.sink.find("<lab-own@");
    });
    if (way.hookup === "after-queue" && way.via === "smtp") {
      outageCase(() => world);
      // More than the ten of one connection after which Exim, by default, leaves mail to the next queue run.
      test("a burst comes back at once, not with the next queue run", async () => {
        const names = Array.from({ length: 60 }, (_, index) => `burst-${index}`);
        await Promise.all(
          Array.from({ length: 4 }, async (_, lane) => {
            for (let i = lane; i < names.length; i += 4)
              expect((await world.send(longLine(names[i] ?? "", 100))).reply).toMatch(/^250 /);
          }),
        );
        for (const name of names) await world.sink.find(`<lab-${name}@`, 10_000);
      });
    }
    if (way.hookup === "in-dialogue") {
      test("without postern the client gets 4xx and nothing is queued", async () => {
        await world.postern.stop();
        expect((await world.send(ORDINARY.raw)).reply).toMatch(/^4/);
        expect(await world.mta.queued()).toEqual([]);
        await world.postern.start();
      });
    }
  });
});
