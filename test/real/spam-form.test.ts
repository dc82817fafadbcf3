// X-Spam-* beside amavis' own: a real amavisd-new and postern with a real spamd of the same SpamAssassin configuration get the same
// messages with the same levels, and write the same octets.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { amavis, type Amavis } from "./lab/amavis.ts";
import { inject } from "./lab/inject.ts";
import { lab, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePorts } from "./lab/ports.ts";
import { postern } from "./lab/postern.ts";
import { GTUBE_SAMPLE } from "./lab/samples.ts";
import { sink, type Sink } from "./lab/sink.ts";
import { spamd } from "./lab/spamd.ts";

const GTUBE = GTUBE_SAMPLE.raw.toString("latin1").split("\r\n\r\n")[1]?.trim() ?? "";
const RECEIVED =
  "Received: from client.example.org (mx.sender.example [192.0.2.7])\r\n\tby mx.example.com (Postfix) with ESMTP id 4ABCDEF\r\n\tfor <user@example.com>; Sat, 21 Nov 2026 16:30:45 +0000 (UTC)\r\n";

/** Two hops, so that no rule of the lab speaks of them, and nothing odd about either. */
const HARMLESS = ["52.95.1.1", "52.95.1.2"]
  .map((ip) => RECEIVED.replace("192.0.2.7", ip).replace("client.example.org", "mx.sender.example"))
  .join("");

const letter = (name: string, body: string, own: Readonly<Record<string, string>> = {}): string => {
  const fields = {
    "Message-ID": `<lab-${name}@sender.example>`,
    Date: "Sat, 21 Nov 2026 16:30:40 +0000",
    From: "Ann Author <ann@sender.example>",
    To: "user@example.com",
    Subject: `the minutes of lab-${name}`,
    ...own,
  };
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${value}\r\n`);
  return `${RECEIVED}${lines.join("")}\r\n${body}\r\n`;
};

const MESSAGES: Readonly<Record<string, string>> = {
  ham: letter("ham", "Dear Bob,\r\n\r\nhere are the minutes of the meeting on Monday.\r\n\r\nAnn"),
  gtube: letter("gtube", GTUBE),
  drugs: letter("drugs", "Buy viagra and cialis cheap! Click here: http://pills.example/buy\r\n"),
  odd: letter("odd", "MAKE MONEY FAST!!! 100% FREE $$$ ORDER NOW", {
    From: '"" <x1234567890@sender.example>',
    "Reply-To": "other@elsewhere.example",
    Subject: "FREE MONEY!!! DEAR WINNER of 5,000,000 US$",
    "X-Mailer": "The Bat!",
  }),
  html: letter(
    "html",
    `<html><body><font color="#ffffff" size=1>hidden</font><a href="http://192.0.2.1/x">http://bank.example</a><img src="http://x.example/1.gif"></body></html>`,
    { "MIME-Version": "1.0", "Content-Type": "text/html; charset=us-ascii" },
  ),
  // Meets no rule at all: amavis has a word for that.
  nothing: letter(
    "nothing",
    "Dear Bob,\r\n\r\nhere are the minutes of the meeting on Monday.\r\n\r\nAnn",
  )
    .replace(RECEIVED, HARMLESS)
    .replace("lab-nothing@sender.example", "20261121163040.12345.lab-nothing@sender.example"),
  bare: `${RECEIVED}From: ann@sender.example\r\nMessage-ID: <lab-bare@sender.example>\r\n\r\nhi\r\n`,
};

/** The X-Spam fields with their folds, without the last CRLF. */
function spamFields(data: Buffer): readonly string[] {
  const head = data.toString("latin1").split("\r\n\r\n")[0] ?? "";
  return head.split(/\r\n(?![ \t])/).filter((field) => field.startsWith("X-Spam"));
}

describe.skipIf(!have("root", "users", "spamd", "amavis"))("X-Spam-* as amavis writes them", () => {
  describe.each([{ tag: -999 }, { tag: null }, { tag: 2.5 }])("tagged above $tag", ({ tag }) => {
    let room: Lab;
    let theirs: Sink;
    let ours: Sink;
    let theirPort = 0;
    let ourPort = 0;

    beforeAll(async () => {
      room = await lab("spam-form");
      // What is learnt depends on whose database can be written, and the two run as different users.
      const scorer = room.add(await spamd(room.dir, { exact: true, more: "bayes_auto_learn 0" }));
      theirs = room.add(await sink());
      ours = room.add(await sink());
      const peer: Amavis = room.add(
        await amavis(room.dir, { nextHop: theirs.port, configDir: scorer.configDir, tag, tag2: 5 }),
      );
      theirPort = peer.port;
      [ourPort = 0] = await freePorts(1);
      room.add(
        await postern({
          dir: room.dir,
          file: null,
          more: `[server]\nhostname = "mx.example.com"\nstate_dir = "state"\nrules_dir = "rules"\n[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:${ourPort}"\n[next_hop]\nrelay = "smtp:127.0.0.1:${ours.port}"\n[delivery]\ndomains = ["example.com"]\n[dns]\nservers = "off"\n[spamd]\nendpoints = ["${scorer.name}"]\n`,
          rules: {
            "policy.rules": `level tag ${tag ?? "always"}\nlevel tag2 5\nlevel kill 99999\nfate spammy any any accept\n`,
          },
        }),
      );
    });
    afterAll(() => room?.cleanUp());

    test.each(Object.keys(MESSAGES))("%s", async (name) => {
      const data = Buffer.from(MESSAGES[name] ?? "", "latin1");
      const harmless = name === "nothing";
      const facts = {
        from: harmless ? "postmaster@sender.example" : "ann@sender.example",
        to: ["user@example.com"],
        data,
        xforward: {
          ADDR: harmless ? "52.95.1.1" : "192.0.2.7",
          NAME: "mx.sender.example",
          HELO: harmless ? "mx.sender.example" : "client.example.org",
          PROTO: "ESMTP",
        },
      };
      for (const port of [theirPort, ourPort])
        expect((await inject({ port, ...facts })).reply).toMatch(/^250 /);
      const [expected, written] = await Promise.all(
        [theirs, ours].map(async (end) => spamFields((await end.find(`lab-${name}@`)).data)),
      );
      expect(written).toEqual(expected);
      if (tag === -999) expect(written).toHaveLength(4);
    });
  });
});
