// Real Postfix with smtpd_proxy_filter, from deploy/postfix/before-queue.*: over TCP and over a unix socket.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dkim, type Dkim } from "./lab/dkim.ts";
import { hookupCases } from "./lab/hookup-suite.ts";
import { have } from "./lab/peers.ts";
import { ORDINARY } from "./lab/samples.ts";
import { HOOKUPS, worldWithPostern, type PosternWorld } from "./lab/world.ts";

const WAYS = HOOKUPS.filter((way) => way.hookup === "before-queue");

describe.skipIf(!have("root", "users", "postfix", "mail-dkim"))("Postfix, before the queue", () => {
  describe.each(WAYS)("over $via", (way) => {
    let world: PosternWorld;
    let key: Dkim;
    beforeAll(async () => {
      world = await worldWithPostern(way);
      key = await dkim(world.lab.dir);
    });
    afterAll(() => world?.lab.cleanUp());
    hookupCases(way, () => ({ world, dkim: key }));

    test("without postern the client gets 4xx and nothing is queued", async () => {
      await world.postern.stop();
      expect((await world.send(ORDINARY.raw)).reply).toMatch(/^451 /);
      expect(
        (await world.mta.queued()).filter(
          (entry) => typeof entry === "object" && entry.sender === "ann@sender.example",
        ),
      ).toEqual([]);
      await world.postern.start();
    });
  });
});
