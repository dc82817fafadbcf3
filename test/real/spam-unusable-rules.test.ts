// Spam rules that no thread can compile in its memory, in a running serve: it starts, mail goes on in time and is marked as unchecked, the
// log says why, and good rules bring scores back without a restart. Where others are in force already, these stay.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { letter, scoringHost, type ScoringHost } from "./lab/scoring-host.ts";
import { spamd } from "./lab/spamd.ts";

const GOOD = "body LAB_GOOD /\\bheron\\b/\nscore LAB_GOOD 0.5\n";
/** More than a thread has memory for. */
const BAD = Array.from(
  { length: 200_000 },
  (_, n) => `body W_${n} /word${n}x/\nscore W_${n} 0.1\n`,
).join("");
/** On a busy machine. */
const START_MS = 30_000;
const FAST_MS = 3000;
const BACK_MS = 90_000;

describe.skipIf(!have("spamd"))("spam rules that cannot be compiled", () => {
  let room: Lab;
  let site: string;
  let sent = 0;
  beforeEach(async () => {
    room = await lab("unusable");
    site = join(room.dir, "site");
    await mkdir(site);
  });
  afterEach(() => room?.cleanUp());

  const rules = (text: string): Promise<void> => writeFile(join(site, "site.cf"), text);
  const start = (how: { unusable?: true } = {}): Promise<ScoringHost> =>
    scoringHost(room, {
      ...how,
      more: `[spam]\nengine = "native"\nrule_dirs = ["/usr/share/spamassassin", "${site}"]\n`,
    });
  const spamFields = async (host: ScoringHost): Promise<{ status: string; ms: number }> =>
    host.arrived(`unusable-${++sent}`, "A heron.");
  const back = (host: ScoringHost): Promise<unknown> =>
    until(
      "a score by the good rules",
      async () => (await spamFields(host)).status.includes("LAB_GOOD"),
      BACK_MS,
    );

  test("at the start: mail is unchecked, soon without any wait, until there are good ones", async () => {
    await rules(BAD);
    const begun = performance.now();
    const host = await start({ unusable: true });
    expect(performance.now() - begun).toBeLessThan(START_MS);
    await until(
      "the word of it",
      () => /\(!!\)the spam rules cannot be used: .*memory/.test(host.postern.log()),
      BACK_MS,
    );
    const slow: number[] = [];
    for (let n = 0; n < 12; n++) {
      const name = `unusable-${++sent}`;
      const { reply, ms } = await host.send(letter(name, "A heron."));
      expect(reply).toMatch(/^250 /);
      expect(await host.logLine(name)).toMatch(/ Passed UNCHECKED /);
      if (ms > FAST_MS) slow.push(ms);
    }
    // One of them may be the one that a new try is made with.
    expect(slow.length).toBeLessThan(2);
    expect(host.postern.log()).toMatch(/check spam could not answer \(error: .*do not start/);
    await rules(GOOD);
    host.postern.signal("SIGHUP");
    await back(host);
    expect((await spamFields(host)).ms).toBeLessThan(FAST_MS);
  });

  test("while good ones are in force: these stay, and files that are too big are told", async () => {
    await rules(GOOD);
    const host = await start();
    await back(host);
    await rules(BAD);
    host.postern.signal("SIGHUP");
    const refused = /spam rules: cannot be used: .*\n(?:.*\n)*.*the last good ones stay in force/;
    await until(
      "the word of it",
      async () => {
        const { status, ms } = await spamFields(host);
        expect(status).toContain("LAB_GOOD");
        expect(ms).toBeLessThan(FAST_MS);
        return refused.test(host.postern.log());
      },
      BACK_MS,
    );
    await rm(join(site, "site.cf"));
    await writeFile(join(site, "a.cf"), GOOD.replace("0.5", "0.25"));
    await writeFile(join(site, "big.cf"), `${" ".repeat(1000)}\n`.repeat(50_000));
    host.postern.signal("SIGHUP");
    await until(
      "the word of it",
      () => /big\.cf: too big: \d+ octets/.test(host.postern.log()),
      BACK_MS,
    );
    expect((await spamFields(host)).status).toContain("LAB_GOOD");
  });

  test("beside a spamd that is served: its score counts, and nobody waits", async () => {
    await rules(BAD);
    const theirs = room.add(await spamd(room.dir, { exact: true, more: GOOD }));
    const host = await scoringHost(room, {
      more: `[spam]\nengine = "both"\nserve = "spamd"\nrule_dirs = ["/usr/share/spamassassin", "${site}"]\n[spamd]\nendpoints = ["${theirs.name}"]\n`,
      unusable: true,
    });
    for (let n = 0; n < 10; n++) {
      const { status, ms } = await spamFields(host);
      expect(status).toContain("LAB_GOOD");
      expect(ms).toBeLessThan(FAST_MS);
    }
    await until(
      "the word of it",
      () => /\(!!\)the spam rules cannot be used/.test(host.postern.log()),
      BACK_MS,
    );
  });
});
