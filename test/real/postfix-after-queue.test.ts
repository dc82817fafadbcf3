// Real Postfix with content_filter, from deploy/postfix/after-queue.*: over SMTP, over LMTP, and over LMTP on a unix socket.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dkim, type Dkim } from "./lab/dkim.ts";
import { dovecot, type Dovecot } from "./lab/dovecot.ts";
import { hookupCases } from "./lab/hookup-suite.ts";
import { inject } from "./lab/inject.ts";
import { lab, type Lab } from "./lab/lab.ts";
import { outageCase } from "./lab/outage.ts";
import { have } from "./lab/peers.ts";
import { HOOKUPS, worldWithPostern, type PosternWorld } from "./lab/world.ts";

const WAYS = HOOKUPS.filter((way) => way.mta === "postfix" && way.hookup === "after-queue");

describe.skipIf(!have("root", "users", "postfix", "mail-dkim"))("Postfix, after the queue", () => {
  describe.each(WAYS)("over $via", (way) => {
    let world: PosternWorld;
    let key: Dkim;
    beforeAll(async () => {
      world = await worldWithPostern(way);
      key = await dkim(world.lab.dir);
    });
    afterAll(() => world?.lab.cleanUp());
    hookupCases(way, () => ({ world, dkim: key }));
    if (way.via === "smtp") outageCase(() => world);
  });
});

describe.skipIf(!have("root", "users", "postfix", "dovecot"))("Postfix submission", () => {
  let room: Lab;
  let users: Dovecot;
  let world: PosternWorld;
  beforeAll(async () => {
    room = await lab("sasl");
    await writeFile(join(room.dir, "users"), "user@example.com:{PLAIN}secret::::::\n");
    users = room.add(await dovecot({ dir: room.dir, users: join(room.dir, "users") }));
    const [way] = WAYS;
    if (way === undefined) throw new Error("no way");
    world = await worldWithPostern(way, { saslPort: users.saslPort });
  });
  afterAll(async () => {
    await world?.lab.cleanUp();
    await room?.cleanUp();
  });

  test("mail of an authenticated user is outbound, to us internal", async () => {
    if (!("submissionPort" in world.mta)) throw new Error("not a Postfix");
    const data = Buffer.from(
      "Message-ID: <lab-own@example.com>\r\nFrom: user@example.com\r\nSubject: own\r\n\r\nx\r\n",
    );
    const auth = ["user@example.com", "secret"] as const;
    const to = ["x@elsewhere.example", "other@example.com"];
    const sent = await inject({
      port: world.mta.submissionPort,
      from: "user@example.com",
      to,
      data,
      auth,
    });
    expect(sent.reply).toMatch(/^250 /);
    expect(await world.logLine("own")).toMatch(
      / Passed CLEAN \{Relayed(?:Outbound,RelayedInternal|Internal,RelayedOutbound)\}, /,
    );
    await world.sink.find("<lab-own@");
    await world.settled();
  });
});
