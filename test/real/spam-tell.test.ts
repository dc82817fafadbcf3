// TELL over the spamd listener of a running serve, by real spamc: refused where nobody allowed it, else answered as spamd answers it, and
// what it taught counts in the scores of mail that the same serve then gets: learned, learned as the other, forgotten.
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lab, until, type Lab } from "./lab/lab.ts";
import { each, learned, lesson, spamc, times, words, type Kind } from "./lab/lessons.ts";
import { have } from "./lab/peers.ts";
import { freePort } from "./lab/ports.ts";
import { scoringHost, type ScoringHost } from "./lab/scoring-host.ts";
import { spamd, type Spamd } from "./lab/spamd.ts";

const ENOUGH = 25;

describe.skipIf(!have("spamd"))("teaching by TELL", () => {
  let room: Lab;
  let host: ScoringHost;
  let theirs: Spamd;
  let closedPort = 0;
  let sent = 0;

  beforeAll(async () => {
    room = await lab("tell");
    const bayes = join(room.dir, "bayes");
    await mkdir(bayes);
    await chmod(bayes, 0o777);
    const more = `bayes_path ${bayes}/bayes\nbayes_auto_learn 0\n`;
    theirs = room.add(await spamd(room.dir, { where: "tcp", children: 1, tell: true, more }));
    closedPort = await freePort();
    host = await scoringHost(room, {
      spamd: `allow_tell = true\n[[listener]]\nprotocol = "spamd"\nlisten = "127.0.0.1:${closedPort}"\n`,
      more: `[spam]\nengine = "native"\n[bayes]\nmin_spam = ${ENOUGH}\nmin_ham = ${ENOUGH}\n`,
    });
  });
  afterAll(() => room?.cleanUp());

  const tell = async (what: string, kind: Kind, count: number): Promise<void> =>
    each(times(count), async (n) => {
      const ran = await spamc(host.spamdPort, ["-L", what], lesson(kind, n));
      expect(ran).toEqual({ code: 0, stdout: "Message successfully un/learned\n", stderr: "" });
    });
  /** What Bayes says of a new letter of a kind: "BAYES_99", or "" when it was not asked. */
  const verdict = async (kind: Kind): Promise<string> => {
    const { status } = await host.arrived(`tell-${++sent}`, words(kind, 1000 + sent));
    expect(status).not.toBe("");
    return /\bBAYES_\d+/.exec(status)?.[0] ?? "";
  };
  const becomes = (kind: Kind, wanted: RegExp): Promise<unknown> =>
    until(`${String(wanted)} for ${kind}`, async () => wanted.test(await verdict(kind)), 25_000);

  test("is refused by a listener that does not allow it, and nothing is learned", async () => {
    const refused = await spamc(closedPort, ["-x", "-L", "spam"], lesson("casino", 0));
    expect(refused.code).not.toBe(0);
    expect(await learned(host.postern)).toMatchObject({ spam: 0, ham: 0 });
  });

  test("is answered as spamd answers it, and a message counts once, as what it was called last", async () => {
    const port = Number(/:(\d+)$/.exec(theirs.name)?.[1]);
    for (const [what, spam, ham] of [
      ["forget", 0, 0],
      ["spam", 1, 0],
      ["spam", 1, 0],
      ["ham", 0, 1],
      ["forget", 0, 0],
      ["forget", 0, 0],
      ["ham", 0, 1],
      ["spam", 1, 0],
      ["forget", 0, 0],
    ] as const) {
      const ours = await spamc(host.spamdPort, ["-L", what], lesson("minutes", 500));
      expect(ours).toEqual(await spamc(port, ["-L", what], lesson("minutes", 500)));
      expect(await learned(host.postern), what).toMatchObject({ spam, ham });
    }
  });

  test("what was learned counts in later mail, over either listener", async () => {
    expect(await verdict("casino")).toBe("");
    await tell("spam", "casino", ENOUGH);
    await tell("spam", "pills", ENOUGH);
    await tell("ham", "minutes", ENOUGH);
    expect(await learned(host.postern)).toMatchObject({ spam: 2 * ENOUGH, ham: ENOUGH });
    await becomes("casino", /^BAYES_99/);
    expect(await verdict("pills")).toMatch(/^BAYES_99/);
    expect(await verdict("minutes")).toBe("BAYES_00");
    const { stdout } = await spamc(host.spamdPort, ["-y"], lesson("pills", 2000));
    expect(stdout).toMatch(/\bBAYES_99\b/);
    // Seen by the scores alone: nobody else of the house has learned.
    expect(await learned(host.postern)).toMatchObject({ spam: 2 * ENOUGH, ham: ENOUGH });
  });

  test("what was called spam and is called ham then is ham", async () => {
    await tell("ham", "casino", ENOUGH);
    expect(await learned(host.postern)).toMatchObject({ spam: ENOUGH, ham: 2 * ENOUGH });
    await becomes("casino", /^BAYES_(?:00|05)$/);
    expect(await verdict("pills")).toMatch(/^BAYES_(?:95|99)/);
  });

  test("what is forgotten counts no more, and with too little left Bayes is silent", async () => {
    await tell("forget", "casino", ENOUGH);
    expect(await learned(host.postern)).toMatchObject({ spam: ENOUGH, ham: ENOUGH });
    expect(await verdict("casino")).not.toMatch(/^BAYES_(?:00|05|95|99)/);
    const last = await spamc(host.spamdPort, ["-L", "forget"], lesson("pills", 0));
    expect(last.stdout).toBe("Message successfully un/learned\n");
    await becomes("pills", /^$/);
    expect(host.postern.log()).not.toMatch(/\(!\)|Error/);
  });
});
