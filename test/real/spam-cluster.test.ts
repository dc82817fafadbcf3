// What Bayes learned in a Redis Cluster of three masters: taught through one node, known to the other, taken back through either; and while
// the master that holds it is away, mail is scored without it and nobody waits long.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNoRedis } from "../fakes/redis-server.ts";
import { lab, must, until, type Lab } from "./lab/lab.ts";
import { each, learned, lesson, spamc, times, words, type Kind } from "./lab/lessons.ts";
import { have } from "./lab/peers.ts";
import { redisCluster, type RedisCluster } from "./lab/redis-cluster.ts";
import { scoringHost, type ScoringHost } from "./lab/scoring-host.ts";

const missing = whyNoRedis();
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);
const ENOUGH = 25;

describe.skipIf(missing !== null || !have("spamd"))(title("Bayes in a Redis Cluster"), () => {
  let room: Lab;
  let redis: RedisCluster;
  let one: ScoringHost;
  let two: ScoringHost;
  let sent = 0;

  beforeAll(async () => {
    room = await lab("bayes-cluster");
    redis = room.add(await redisCluster(room.dir));
    const start = (name: string): Promise<ScoringHost> =>
      scoringHost(room, {
        name,
        server: `node = "${name}"`,
        spamd: "allow_tell = true",
        more: `[spam]\nengine = "native"\n[bayes]\nmin_spam = ${ENOUGH}\nmin_ham = ${ENOUGH}\n[redis]\nurl = "${redis.url}"\ntimeout = "500ms"\n`,
      });
    [one, two] = [await start("mx1"), await start("mx2")];
  });
  afterAll(() => room?.cleanUp());

  /** What Bayes says at a node of a new letter of a kind; "" when it was not asked. */
  const verdict = async (at: ScoringHost, kind: Kind): Promise<string> => {
    const { status } = await at.arrived(`cluster-${++sent}`, words(kind, 1000 + sent));
    expect(status).toMatch(/score=/);
    return /\bBAYES_\d+/.exec(status)?.[0] ?? "";
  };
  const becomes = (at: ScoringHost, kind: Kind, wanted: RegExp): Promise<unknown> =>
    until(`${String(wanted)}`, async () => wanted.test(await verdict(at, kind)), 25_000);
  /** The number of the master that has the tokens. */
  const holder = async (): Promise<number> => {
    for (const [n, port] of redis.ports.entries()) {
      const { stdout } = await must("redis-cli", ["-p", String(port), "--scan"]);
      if (/by:\{by\}:t$/m.test(stdout)) return n;
    }
    throw new Error("no master has the tokens");
  };

  test("what is taught at one node counts at the other", async () => {
    expect(await verdict(two, "pills")).toBe("");
    const files = join(room.dir, "spam");
    await mkdir(files);
    for (const n of times(ENOUGH)) await writeFile(join(files, `${n}.eml`), lesson("pills", n));
    const ran = await one.postern.command("learn", "--spam", files, "--mailbox", "a@example.com");
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain(`${ENOUGH} learned\n`);
    await each(times(ENOUGH), (n) => spamc(one.spamdPort, ["-L", "ham"], lesson("minutes", n)));
    for (const node of [one, two])
      expect(await learned(node.postern)).toEqual({
        spam: ENOUGH,
        ham: ENOUGH,
        mailboxes: [{ mailbox: "a@example.com", messages: ENOUGH }],
      });
    await becomes(two, "pills", /^BAYES_99/);
    expect(await verdict(two, "minutes")).toBe("BAYES_00");
    await becomes(one, "pills", /^BAYES_99/);
  });

  test("a message that one node learned is known to the other, which may call it otherwise", async () => {
    const said = async (at: ScoringHost, what: string): Promise<string> =>
      (await spamc(at.spamdPort, ["-L", what], lesson("pills", 0))).stdout;
    expect(await said(two, "spam")).toBe("Message was already un/learned\n");
    expect(await said(two, "ham")).toBe("Message successfully un/learned\n");
    expect(await learned(one.postern)).toMatchObject({ spam: ENOUGH - 1, ham: ENOUGH + 1 });
    expect(await said(one, "spam")).toBe("Message successfully un/learned\n");
    expect(await learned(two.postern)).toMatchObject({ spam: ENOUGH, ham: ENOUGH });
  });

  test("while the master with the tokens is away mail is scored without them, and with them when it is back", async () => {
    const n = await holder();
    await redis.kill(n);
    try {
      for (let turn = 0; turn < 3; turn++) {
        const { status, ms } = await two.arrived(`away-${turn}`, words("pills", 3000 + turn));
        expect(status).toMatch(/^No, score=/);
        expect(status).not.toContain("BAYES_");
        expect(ms).toBeLessThan(5000);
      }
      // Who teaches now is told that it was for nothing.
      const told = await spamc(two.spamdPort, ["-x", "-L", "spam"], lesson("casino", 1));
      expect(told.code).not.toBe(0);
      expect(told.stdout).toBe("");
    } finally {
      await redis.revive(n);
    }
    await becomes(two, "pills", /^BAYES_99/);
    expect(await learned(one.postern)).toMatchObject({ spam: ENOUGH, ham: ENOUGH });
  });

  test("all that a mailbox taught is taken back by the other node", async () => {
    const ran = await two.postern.command("learn", "--forget-mailbox", "a@example.com");
    expect(ran.code).toBe(0);
    const { spam, ham, mailboxes } = await learned(one.postern);
    expect(ham).toBe(ENOUGH);
    // The one that TELL taught last is nobody's.
    expect(spam).toBe(1);
    expect(mailboxes).toEqual([]);
    await becomes(one, "pills", /^$/);
  });
});
