// A real spamd behind a real Postfix, before and after the queue: what it says becomes header, verdict and log; it sees the client
// that Postfix saw; and whatever happens to it, mail goes on as policy says, visibly, each message once.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseEndpoint } from "../../src/clients/endpoint.ts";
import { spamdContract } from "../contract/spamd.ts";
import { inject } from "./lab/inject.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { meddler, type Meddler } from "./lab/meddler.ts";
import { have } from "./lab/peers.ts";
import { GTUBE_SAMPLE } from "./lab/samples.ts";
import type { Caught } from "./lab/sink.ts";
import { spamd, type Spamd } from "./lab/spamd.ts";
import { SENDER, worldWithPostern, type PosternWorld } from "./lab/world.ts";

const GTUBE = GTUBE_SAMPLE.raw.toString("latin1").split("\r\n\r\n")[1]?.trim() ?? "";
const WAYS = [
  { mta: "postfix", hookup: "before-queue", via: "smtp", where: "unix" },
  { mta: "postfix", hookup: "after-queue", via: "smtp", where: "tcp" },
] as const;

const letter = (name: string, body: string, more = ""): Buffer =>
  Buffer.from(
    `${more}Message-ID: <lab-${name}@sender.example>\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\nFrom: Ann Author <${SENDER}>\r\nTo: user@example.com\r\nSubject: the minutes of lab-${name}\r\n\r\n${body}\r\n`,
    "latin1",
  );
const HAM = "Dear Bob,\r\n\r\nhere are the minutes of the meeting on Monday.\r\n\r\nAnn";

/** The unfolded X-Spam fields of what arrived. */
function spamFields({ data }: Caught): Readonly<Record<string, string>> {
  const head = data.toString("latin1").split("\r\n\r\n")[0] ?? "";
  const fields = head.replace(/\r\n[ \t]+/g, " ").split("\r\n");
  return Object.fromEntries(
    fields
      .filter((line) => line.startsWith("X-Spam-"))
      .map((line) => line.split(": ") as [string, string]),
  );
}

describe.skipIf(!have("spamd"))("the client, asking a real spamd", () => {
  let room: Lab;
  const running: Partial<Record<"unix" | "tcp", Spamd>> = {};
  beforeAll(async () => {
    room = await lab("spamd");
    running.unix = room.add(await spamd(room.dir, { exact: true }));
    running.tcp = room.add(await spamd(room.dir, { where: "tcp" }));
  });
  afterAll(() => room?.cleanUp());
  spamdContract("over a unix socket, exact points", () => running.unix?.name ?? "");
  spamdContract("over TCP, as it comes from the box", () => running.tcp?.name ?? "");
});

describe.skipIf(!have("root", "users", "postfix", "spamd"))("spamd behind Postfix", () => {
  describe.each(WAYS)("$hookup, spamd over $where", (way) => {
    const before = way.hookup === "before-queue";
    let world: PosternWorld;
    let room: Lab;
    let scorer: Spamd;
    /** Only over TCP. */
    let between: Meddler | null = null;
    let sent = 0;

    beforeAll(async () => {
      room = await lab(`spam-${way.where}`);
      scorer = room.add(await spamd(room.dir, { where: way.where, exact: before, children: 2 }));
      if (!before)
        between = room.add(await meddler(parseEndpoint(scorer.name)?.at ?? { path: "" }));
      const endpoint = between === null ? scorer.name : `tcp:127.0.0.1:${between.port}`;
      world = await worldWithPostern(way, {
        more: `[greylist]\nwhen = []\n[spamd]\nendpoints = ["${endpoint}"]\ndeadline = "4s"\n`,
      });
    });
    afterAll(async () => {
      await world?.lab.cleanUp();
      await room?.cleanUp();
    });

    const send = async (data: Buffer): Promise<string> => {
      sent++;
      return (await world.send(data)).reply;
    };
    const arrived = async (name: string, body = HAM): Promise<Readonly<Record<string, string>>> => {
      expect(await send(letter(name, body))).toMatch(/^250 /);
      return spamFields(await world.sink.find(`<lab-${name}@`));
    };
    const metric = async (name: string): Promise<string> =>
      (await (await fetch(`http://127.0.0.1:${world.httpPort}/metrics`)).text())
        .split("\n")
        .filter((line) => line.startsWith(name))
        .join("\n");
    const count = async (name: string): Promise<number> =>
      Number((await metric(name)).split(" ").at(-1) ?? "0");

    /** Mail passes without a score, and everything says so. */
    const unchecked = async (name: string, why: RegExp, result: string): Promise<void> => {
      const scorings = `postern_spam_scorings_total{result="${result}"}`;
      const errors = 'postern_check_errors_total{check="spam",reason="error"}';
      const [s, e] = [await count(scorings), await count(errors)];
      expect(await arrived(name)).toEqual({});
      expect(await world.logLine(name)).toMatch(/Passed UNCHECKED \{RelayedInbound\}.* Hits: -, /);
      // Standard error and standard output come in no order.
      await until(`a warning like ${String(why)}`, () => {
        const lines = world.postern.log().split("\n");
        return why.test(
          lines.filter((l) => l.includes("check spam could not answer")).at(-1) ?? "",
        );
      });
      expect([await count(scorings), await count(errors)]).toEqual([s + 1, e + 1]);
    };
    const scoredAgain = (name: string): Promise<unknown> => {
      let n = 0;
      return until("spamd to be asked again", async () => {
        const fields = await arrived(`${name}-${n++}`);
        return fields["X-Spam-Status"] !== undefined;
      });
    };

    test("ham passes with what spamd says, and SpamAssassin saw the client, once, and the envelope", async () => {
      const fields = await arrived("ham");
      expect(Object.keys(fields)).toEqual([
        "X-Spam-Flag",
        "X-Spam-Score",
        "X-Spam-Level",
        "X-Spam-Status",
      ]);
      expect(fields["X-Spam-Flag"]).toBe("NO");
      const status = fields["X-Spam-Status"] ?? "";
      expect(status).toMatch(
        /^No, score=-?[\d.]+ required=5 tests=\[[A-Z0-9_=.,\- ]+\] autolearn=[a-z]+/,
      );
      for (const rule of ["LAB_CLIENT", "LAB_ONE_HOP", "LAB_ENVELOPE"])
        expect(status).toContain(`${rule}=0.1`);
      expect(status).not.toMatch(/ALL_TRUSTED|NO_RELAYS|UNPARSEABLE_RELAY/);
      expect(await world.logLine("ham")).toMatch(/Passed CLEAN .* Hits: -?[\d.]+, /);
      if (before) expect(status).toContain("autolearn=no autolearn_force=no");
      else expect(status).toContain("autolearn=unavailable");
    });

    test("a client behind a relay that SpamAssassin trusts is the client", async () => {
      const trace =
        "Received: from mx.far.example (mx.far.example [203.0.113.9])\r\n\tby backup.example.com (Postfix) with ESMTP id 4ABC;\r\n\tSat, 21 Nov 2026 16:30:45 +0000 (UTC)\r\n";
      sent++;
      const { reply } = await inject({
        port: world.mta.smtpPort,
        from: SENDER,
        to: ["user@example.com"],
        data: letter("relayed", HAM, trace),
        xclient: { ADDR: "198.51.100.25", NAME: "backup.example.com" },
        helo: "backup.example.com",
      });
      expect(reply).toMatch(/^250 /);
      const status = spamFields(await world.sink.find("<lab-relayed@"))["X-Spam-Status"];
      expect(status).toContain("LAB_BEHIND_RELAY=0.1");
      expect(status).not.toContain("LAB_CLIENT");
    });

    test("what a sender forges of our hints and of the envelope never reaches SpamAssassin", async () => {
      const forged =
        "Return-Path: <forged by the sender@example.org>\r\nX-Envelope-From: <forged by the sender@example.org>\r\nX-RBL-Warning: 192.0.2.7 is listed by forged by the sender\r\nX-Greylist: delayed 9 seconds by forged by the sender\r\n";
      expect(await send(letter("forged", HAM, forged))).toMatch(/^250 /);
      const status = spamFields(await world.sink.find("<lab-forged@"))["X-Spam-Status"];
      expect(status).toContain("LAB_ENVELOPE=0.1");
      expect(status).not.toMatch(/LAB_FORGED|LAB_RBL|LAB_GREY/);
    });

    test("GTUBE has its thousand points from spamd, and policy's outcome", async () => {
      const reply = await send(letter("gtube", GTUBE));
      const line = await world.logLine("gtube");
      expect(line).toMatch(/ Hits: 100\d[\d.]*, /);
      if (before) {
        expect(reply).toMatch(/^554 5\.7\.0 .* - spam$/);
        expect(line).toMatch(/Blocked SPAM \{RejectedInbound,Quarantined\}/);
        expect(world.copies("gtube")).toEqual([]);
        return;
      }
      expect(reply).toMatch(/^250 /);
      expect(line).toMatch(/Passed SPAM \{RelayedTaggedInbound\}/);
      const caught = await world.sink.find("<lab-gtube@");
      expect(caught.to).toEqual(["user+Junk@example.com"]);
      const fields = spamFields(caught);
      expect(fields["X-Spam-Flag"]).toBe("YES");
      expect(fields["X-Spam-Level"]).toBe("*".repeat(64));
      expect(fields["X-Spam-Status"]).toMatch(
        /^Yes, score=100\d[\d.]* required=5 tests=\[.*\bGTUBE=1000\b/,
      );
      expect(fields["X-Spam-Status"]?.match(/GTUBE/g)).toHaveLength(1);
    });

    test("of 2 MB only the start is scored, and all of it arrives", async () => {
      const filler = "This is one of very many lines of a report about nothing.\r\n".repeat(36_000);
      const data = letter(
        "large",
        `${HAM}\r\n${filler}text at the very end of the letter\r\n${GTUBE}`,
      );
      expect(data.length).toBeGreaterThan(2_000_000);
      expect(await send(data)).toMatch(/^250 /);
      const caught = await world.sink.find("<lab-large@");
      expect(caught.data.subarray(-100).equals(data.subarray(-100))).toBe(true);
      const status = spamFields(caught)["X-Spam-Status"] ?? "";
      expect(status).toContain("LAB_CLIENT");
      expect(status).not.toMatch(/LAB_AT_THE_END|GTUBE/);
      const atStart = letter("large-spam", `${GTUBE}\r\n${filler}`);
      const reply = await send(atStart);
      expect(await world.logLine("large-spam")).toMatch(/ Hits: 100\d/);
      expect(reply).toMatch(before ? /^554 / : /^250 /);
    });

    test("doctor asks it, and so does scan, which writes the client's hop itself", async () => {
      const { stdout } = await world.postern.command("doctor");
      expect(stdout).toMatch(/^ok {7}spamd \S+ answers PING$/m);
      expect(stdout).toMatch(
        before
          ? /gives the test message 100\d.* points exact$/m
          : /gives the test message 100\d.* rounded to a tenth/m,
      );
      const file = join(world.postern.dir, "letter.eml");
      await writeFile(file, letter("scanned", HAM));
      const facts = [
        "--client",
        "192.0.2.7",
        "--name",
        "mx.sender.example",
        "--helo",
        "client.example.org",
      ];
      const { stdout: json } = await world.postern.command(
        "scan",
        "--json",
        ...facts,
        "--from",
        SENDER,
        "--rcpt",
        "user@example.com",
        file,
      );
      const report = JSON.parse(json) as {
        findings: { symbol: string }[];
        timings: Record<string, number>;
      };
      const symbols = report.findings.map(({ symbol }) => symbol);
      for (const rule of ["LAB_CLIENT", "LAB_ONE_HOP", "LAB_ENVELOPE", "SPAM_SCORED"])
        expect(symbols).toContain(rule);
      expect(report.timings["spam"]).toBeGreaterThan(1);
    });

    test("killed: mail passes unscored at once, and is scored again when it is back", async () => {
      await scorer.kill();
      try {
        await unchecked(
          "killed",
          before ? /ECONNREFUSED|ENOENT/ : /closed without an answer/,
          before ? "unreachable" : "broken",
        );
        expect((await world.postern.command("doctor")).stdout).toMatch(/^wrong {4}spamd /m);
      } finally {
        await scorer.start();
      }
      await scoredAgain("back");
    });

    test("frozen: one message waits for the deadline, the next ones do not", async () => {
      scorer.freeze();
      try {
        await unchecked("frozen", /no answer within \d+ ms/, "silent");
        await until(
          "spamd to be left alone",
          () => world.postern.log().includes("is left alone"),
          20_000,
        );
        const start = performance.now();
        for (let i = 0; i < 5; i++) await arrived(`frozen-${i}`);
        expect(performance.now() - start).toBeLessThan(before ? 4_000 : 20_000);
        expect(await metric("postern_spamd_healthy")).toMatch(/ 0$/);
      } finally {
        scorer.thaw();
      }
      await scoredAgain("thawed");
      expect(await metric("postern_spamd_healthy")).toMatch(/ 1$/);
    });

    test("all children busy: mail passes unscored after the deadline, and is scored when one is free", async () => {
      const release = await scorer.fill();
      try {
        await unchecked("full", /no answer within \d+ ms/, "silent");
      } finally {
        release();
      }
      await scoredAgain("free");
    });

    if (!before)
      test("garbage, an answer cut in the middle, and none at all", async () => {
        if (between === null) throw new Error("nobody stands between");
        try {
          between.meddle = "garbage";
          await unchecked("garbage", /its answer is none of spamd's/, "broken");
          between.meddle = "cut";
          await unchecked("cut", /closed in the middle of its answer/, "broken");
          between.meddle = "swallow";
          await unchecked("swallowed", /no answer within \d+ ms/, "silent");
        } finally {
          between.meddle = "through";
        }
        await scoredAgain("unmeddled");
      });

    if (before)
      test("policy may let the client come back instead", async () => {
        const file = join(world.postern.rulesDir, "local.d/policy.rules");
        const old = await readFile(file, "utf8").catch(() => "");
        const loads = () => world.postern.log().split(" loaded from ").length;
        const reloaded = async (text: string): Promise<void> => {
          const was = loads();
          await writeFile(file, text);
          await until("the rules to be read again", () => loads() > was);
          // The workers compile what the supervisor has told about.
          await new Promise((resolve) => setTimeout(resolve, 1000));
        };
        await scorer.kill();
        await reloaded(`${old}\nunchecked spam any any tempfail\n`);
        expect(await send(letter("tempfail", HAM))).toMatch(/^451 4\.7\.1 .*UNCHECKED: spam$/);
        expect(world.copies("tempfail")).toEqual([]);
        expect(await world.logLine("tempfail")).toMatch(/Blocked UNCHECKED \{TempFailedInbound\}/);
        await scorer.start();
        await reloaded(old);
        expect(await arrived("tempfail-over")).toHaveProperty("X-Spam-Status");
      });

    test("in the end nothing is stuck, nothing lost, nothing doubled", async () => {
      await world.settled();
      const names = world.sink.caught
        .filter(({ from }) => from === SENDER)
        .map(({ data }) => /Message-ID: <(lab-[^@]+)@/.exec(data.toString("latin1"))?.[1]);
      expect(new Set(names).size).toBe(names.length);
      // Rejected before the queue: GTUBE twice; told to come back: one.
      expect(names.length).toBe(sent - (before ? 3 : 0));
      expect(await metric("postern_in_flight")).toMatch(/ 0$/);
    });
  });
});
