// The files of deploy/ alone: with a filter that changes nothing, every hookup must carry each byte to the filter and back,
// hand our refusals on, and keep mail while there is no filter. What fails here is not postern's fault.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dkim, type Dkim } from "./lab/dkim.ts";
import { have } from "./lab/peers.ts";
import { addedFields, longLine, SAMPLES } from "./lab/samples.ts";
import { HOOKUPS, SENDER, worldWithoutPostern, type Hookup } from "./lab/world.ts";

const REFUSED = "refuse-me";

describe.skipIf(!have("root", "users", "postfix", "exim", "mail-dkim"))(
  "deploy/ with a filter that changes nothing",
  () => {
    describe.each(HOOKUPS)("$mta $hookup over $via", (hookup: Hookup) => {
      let world: Awaited<ReturnType<typeof worldWithoutPostern>>;
      let key: Dkim;
      beforeAll(async () => {
        world = await worldWithoutPostern(hookup, (message) =>
          message.data.includes(REFUSED) ? "554 5.7.0 Reject, by the lab" : undefined,
        );
        key = await dkim(world.lab.dir);
      });
      afterAll(() => world.lab.cleanUp());

      test("every sample arrives byte for byte, twice received", async () => {
        for (const sample of SAMPLES) expect((await world.send(sample.raw)).reply).toMatch(/^250 /);
        await world.settled();
        for (const { name, raw } of SAMPLES) {
          const copies = world.copies(name);
          expect(copies.map((copy) => copy.to)).toEqual([["user@example.com"]]);
          const added = addedFields(raw, copies[0]?.data ?? Buffer.alloc(0));
          expect(
            added?.map((field) => field.split(":")[0]),
            name,
          ).toEqual(["Received", "Received"]);
        }
      });

      test("a DKIM signature over a line of 5,000 bytes still verifies", async () => {
        const signed = await key.sign(longLine("signed", 5000));
        await world.send(signed);
        expect(await key.verify((await world.sink.find("<lab-signed@")).data)).toBe("pass");
      });

      test("the filter learns the client", () => {
        const seen = world.filter.caught[0];
        if (hookup.mta === "postfix") expect(seen?.xforward).toMatchObject({ ADDR: world.client });
        else expect(seen?.data.toString("latin1")).toMatch(/^Received: from \[127\.0\.0\.9\]/);
      });

      test("a refusal of the filter is the client's answer exactly in the dialogue", async () => {
        const message = Buffer.from(
          `From: <${SENDER}>\r\nMessage-ID: <lab-refused@x>\r\nSubject: ${REFUSED}\r\n\r\nx\r\n`,
        );
        const { reply } = await world.send(message);
        expect(reply).toMatch(
          hookup.hookup === "after-queue" ? /^250 / : /^554 5\.7\.0 Reject, by the lab/,
        );
        if (hookup.hookup !== "after-queue") expect(await world.mta.queued()).toEqual([]);
        expect(world.copies("refused")).toEqual([]);
      });

      test("sendmail(1) mail is filtered as outbound", async () => {
        await world.mta.sendmail(
          "root@example.com",
          ["x@elsewhere.example"],
          "Subject: lab-cron\n\nhello\n",
        );
        await world.sink.find("Subject: lab-cron");
        const filter = hookup.mta === "postfix" ? world.outbound : world.filter;
        const seen = await filter.find("lab-cron");
        expect(seen.to).toEqual(["x@elsewhere.example"]);
        if (hookup.mta === "postfix") expect(seen.xforward).toEqual({ SOURCE: "LOCAL" });
      });
    });
  },
);
