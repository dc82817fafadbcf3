// [spam] engine = "both": postern's own engine and a real spamd score the same mail, either of them is served, every difference is counted
// and told with the message's log id, and whichever is not served may freeze or die without anybody waiting for it.
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { scoringHost, type ScoringHost } from "./lab/scoring-host.ts";
import { spamd, type Spamd } from "./lab/spamd.ts";

const BOTH = "use_bayes 0\nbody LAB_BOTH /\\bheron\\b/\nscore LAB_BOTH 1.5\n";
const THEIRS =
  "body LAB_THEIRS /\\bquokka\\b/\nscore LAB_THEIRS 2.5\nbody LAB_POINTS /\\bwombat\\b/\nscore LAB_POINTS 1\n";
const OURS =
  "body LAB_OURS /\\bzebra\\b/\nscore LAB_OURS 3.25\nbody LAB_POINTS /\\bwombat\\b/\nscore LAB_POINTS 4\nbody LAB_ENDLESS /^(?:x+x+)+[^x]$/\nscore LAB_ENDLESS 1\npriority LAB_ENDLESS 10\n";
/** What LAB_ENDLESS never ends on. */
const ENDLESS = `${"x".repeat(60)}!!`;
const DEADLINE_MS = 3000;
const RULES_MS = 1500;
const SERVED = ["native", "spamd"] as const;

describe.skipIf(!have("spamd"))("two scorers", () => {
  let room: Lab;
  let theirs: Spamd;
  const hosts = new Map<string, ScoringHost>();
  let sent = 0;

  beforeAll(async () => {
    room = await lab("both");
    theirs = room.add(await spamd(room.dir, { exact: true, more: `${BOTH}${THEIRS}` }));
    const site = join(room.dir, "site");
    await cp(theirs.configDir, site, { recursive: true });
    const lines = await readFile(join(site, "lab.cf"), "utf8");
    await writeFile(join(site, "lab.cf"), lines.replace(THEIRS, OURS));
    for (const served of SERVED)
      hosts.set(
        served,
        await scoringHost(room, {
          name: served,
          more: `[spam]\nengine = "both"\nserve = "${served}"\ndeadline = "${RULES_MS}ms"\nrule_dirs = ["/usr/share/spamassassin", "${site}"]\n[spamd]\nendpoints = ["${theirs.name}"]\ndeadline = "${DEADLINE_MS}ms"\n`,
        }),
      );
  });
  afterAll(() => room?.cleanUp());

  describe.each(SERVED)("%s is served", (served) => {
    const native = served === "native";
    const host = (): ScoringHost => {
      const found = hosts.get(served);
      if (found === undefined) throw new Error("not started");
      return found;
    };
    const compared = (result: string): Promise<number> =>
      host().count(`postern_spam_compared_total{result="${result}"}`);
    /** Sends it, and waits until one more comparison came out so. */
    const oneMore = async (result: string, body: string): Promise<[string, string, number]> => {
      const before = await compared(result);
      const name = `${served}-${++sent}`;
      const { status, ms } = await host().arrived(name, body);
      await until(`one more ${result}`, async () => (await compared(result)) === before + 1);
      return [name, status, ms];
    };
    /** The lines of the log about the comparison of a message, found by its log id. */
    const told = async (name: string): Promise<readonly string[]> => {
      const id = /\(([\w-]+)\) Passed/.exec(await host().logLine(name))?.[1];
      expect(id).toBeDefined();
      const lines = host().postern.log().split("\n");
      return lines.filter((line) => line.includes(`(${id}) spam scorers`));
    };
    const says = (rule: string, whose: string): RegExp =>
      new RegExp(`\\) spam scorers differ: .*, only ${whose}: ${rule}$`);

    test("where they agree nothing is told", async () => {
      for (const body of ["Dear Bob,\r\n\r\nhere are the minutes.\r\n\r\nAnn", "A heron."]) {
        const [name, status] = await oneMore("same", body);
        expect(status).toMatch(/^No, score=/);
        expect(status.includes("LAB_BOTH=1.5")).toBe(body === "A heron.");
        expect(await told(name)).toEqual([]);
      }
    });

    test("rules that only one side has are told, and those of the served side count", async () => {
      const [zebra, ours] = await oneMore("rules", "A zebra.");
      expect(ours.includes("LAB_OURS=3.25")).toBe(native);
      expect(await told(zebra)).toEqual([
        expect.stringMatching(says("LAB_OURS", "postern's engine")) as unknown,
      ]);
      const [quokka, their] = await oneMore("rules", "A quokka.");
      expect(their.includes("LAB_THEIRS=2.5")).toBe(!native);
      expect(await told(quokka)).toEqual([
        expect.stringMatching(says("LAB_THEIRS", "spamd")) as unknown,
      ]);
    });

    test("the same rules with other points are told as such", async () => {
      const [name, status] = await oneMore("points", "A wombat.");
      expect(status).toContain(native ? "LAB_POINTS=4" : "LAB_POINTS=1");
      const [line, ...more] = await told(name);
      expect(line).toMatch(
        native
          ? /differ: postern's engine [\d.-]+ \(served\), spamd [\d.-]+$/
          : /differ: spamd [\d.-]+ \(served\), postern's engine [\d.-]+$/,
      );
      expect(more).toEqual([]);
    });

    test("the rules are cut by their deadline: it is told, counted, and nobody waits longer", async () => {
      const partial = (): Promise<number> =>
        host().count('postern_spam_engine_total{result="partial"}');
      const before = await partial();
      const [name, status, ms] = await oneMore("unknown", `A heron.\r\n\r\n${ENDLESS}`);
      expect(ms).toBeLessThan(RULES_MS + 2500);
      if (!native) expect(ms).toBeLessThan(RULES_MS);
      expect(status).toContain("LAB_BOTH=1.5");
      expect(await host().logLine(name)).toMatch(native ? /Passed UNCHECKED/ : /Passed CLEAN/);
      expect(await told(name)).toEqual([
        expect.stringMatching(/not compared: not done in time, at LAB_ENDLESS$/) as unknown,
      ]);
      await until("the metric", async () => (await partial()) === before + 1);
      expect(host().postern.log()).toMatch(/the time for one message was over at LAB_ENDLESS;/);
      expect((await oneMore("same", "A heron."))[1]).toContain("LAB_BOTH=1.5");
    });

    test("many of them in a row keep no mail from being served", async () => {
      const all = await Promise.all(
        [1, 2, 3].map((n) => host().arrived(`${served}-row-${++sent}-${n}`, ENDLESS)),
      );
      for (const { status, ms } of all) {
        expect(ms).toBeLessThan(2 * RULES_MS + 4000);
        // Who waited for a thread as long as the rules may take goes on unscored.
        expect(status).toMatch(native ? /^(?:No, |$)/ : /^No, /);
      }
      await until("the others to be done", async () => {
        const before = await compared("same");
        const { status } = await host().arrived(`${served}-${++sent}`, "A heron.");
        await new Promise((resolve) => setTimeout(resolve, 500));
        return status.includes("LAB_BOTH=1.5") && (await compared("same")) > before;
      });
    });

    test("spamd freezes: mail flows within its deadline, or at once where nobody serves it", async () => {
      theirs.freeze();
      try {
        const [name, status, ms] = await oneMore("unknown", "A heron.");
        expect(ms).toBeLessThan(DEADLINE_MS + 2500);
        if (native) expect(ms).toBeLessThan(DEADLINE_MS);
        expect(status.includes("LAB_BOTH=1.5")).toBe(native);
        expect(await host().logLine(name)).toMatch(native ? /Passed CLEAN/ : /Passed UNCHECKED/);
        expect(await told(name)).toEqual([
          expect.stringMatching(/\) spam scorers not compared: .*no answer/) as unknown,
        ]);
      } finally {
        theirs.thaw();
      }
      await until("spamd to be asked again", async () => {
        const before = await compared("same");
        await host().arrived(`${served}-${++sent}`, "A heron.");
        await new Promise((resolve) => setTimeout(resolve, 500));
        return (await compared("same")) > before;
      });
    });

    test("spamd is killed: what it served is unchecked, what it did not serve is scored", async () => {
      await theirs.kill();
      try {
        const [name, status, ms] = await oneMore("unknown", "A zebra.");
        expect(ms).toBeLessThan(DEADLINE_MS);
        expect(status.includes("LAB_OURS=3.25")).toBe(native);
        expect(await host().logLine(name)).toMatch(native ? /Passed CLEAN/ : /Passed UNCHECKED/);
        expect(await told(name)).toHaveLength(1);
      } finally {
        await theirs.start();
      }
      await until("spamd to be compared again", async () => {
        const before = await compared("rules");
        await host().arrived(`${served}-${++sent}`, "A zebra.");
        await new Promise((resolve) => setTimeout(resolve, 500));
        return (await compared("rules")) > before;
      });
    });
  });
});
