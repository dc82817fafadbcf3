// New spam rules while mail is being scored, by SIGHUP: the old ones count until the new are compiled, then the new ones, and no message goes
// without a score; nor does one when a changed configuration brings new workers. A local.cf with a mistake in it keeps the old ones.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { scoringHost, type ScoringHost } from "./lab/scoring-host.ts";

const SENDERS = 3;
/** From SIGHUP until all workers have compiled a thousand rules, on a busy machine. */
const SOON_MS = 40_000;
/** What a message may take while others' threads compile. */
const PATIENCE_MS = 8000;

/** A letter that keeps a thread busy for a while, so that rules change while some are being scored. */
const LONG = `A heron.\r\n${Array.from({ length: 2500 }, (_, n) => `http://h${n}.example.com/p${n}\r\n`).join("")}`;

interface Seen {
  /** The site's rules that hit. */
  readonly rules: readonly string[];
  readonly status: string;
  readonly begun: number;
  readonly ms: number;
}

describe.skipIf(!have("spamd"))("spam rules that change while mail flows", () => {
  let room: Lab;
  let host: ScoringHost;
  /** The site's own, as /etc/spamassassin/local.cf is. */
  let local: string;
  let flows = 0;

  const site = (rule: string): Promise<void> =>
    writeFile(
      join(host.postern.rulesDir, "local.d/spam/site.cf"),
      `body ${rule} /\\bheron\\b/\nscore ${rule} 0.5\ndescribe ${rule} Herons\n`,
    );

  /** Sends letters on several connections until stop(). */
  function flow(): { readonly seen: readonly Seen[]; readonly stop: () => Promise<void> } {
    const seen: Seen[] = [];
    let over = false;
    const number = ++flows;
    const sender = async (k: number): Promise<void> => {
      for (let n = 0; !over; n++) {
        const begun = performance.now();
        const { status, ms } = await host.arrived(`reload-${number}-${k}-${n}`, LONG);
        const rules = [...status.matchAll(/\bLAB_\w+/g)].map(([name]) => name);
        seen.push({ rules, status, begun, ms });
      }
    };
    const senders = Promise.all(Array.from({ length: SENDERS }, (_, k) => sender(k)));
    // Told by stop(); a test that failed before it has told why.
    senders.catch(() => undefined);
    return {
      seen,
      stop: async () => {
        over = true;
        await senders;
      },
    };
  }
  const failures = async (): Promise<number> =>
    (await host.count('postern_spam_engine_total{result="failed"}')) +
    (await host.count('postern_spam_engine_total{result="partial"}')) +
    (await host.count('postern_check_errors_total{check="spam",reason="error"}'));
  /** Of the last messages all hit this rule. */
  const allHit = (seen: readonly Seen[], rule: string): boolean =>
    seen.length > 15 && seen.slice(-15).every(({ rules }) => rules.join() === rule);
  const allScored = (seen: readonly Seen[]): void => {
    for (const { status, rules, ms } of seen) {
      expect(status).toMatch(/^No, score=/);
      expect(rules).toHaveLength(1);
      expect(ms).toBeLessThan(PATIENCE_MS);
    }
  };

  beforeAll(async () => {
    room = await lab("reload");
    local = join(room.dir, "site/local.cf");
    await cp("/etc/spamassassin", join(room.dir, "site"), { recursive: true });
    host = await scoringHost(room, {
      server: "workers = 2",
      more: `[spam]\nengine = "native"\nmax_size = "500K"\nrule_dirs = ["/usr/share/spamassassin", "${room.dir}/site"]\n`,
    });
    await mkdir(join(host.postern.rulesDir, "local.d/spam"), { recursive: true });
    await site("LAB_ONE");
    host.postern.signal("SIGHUP");
    await until(
      "the first rule everywhere",
      async () => {
        for (let n = 0; n < 12; n++)
          if (
            !(await host.arrived(`first-${Date.now()}-${n}`, "A heron.")).status.includes("LAB_ONE")
          )
            return false;
        return true;
      },
      SOON_MS,
    );
  });
  afterAll(() => room?.cleanUp());

  test("the old rules count until the new ones are compiled, and no message is without", async () => {
    const { seen, stop } = flow();
    await until("mail to flow", () => allHit(seen, "LAB_ONE"));
    const loads = (): number => host.postern.log().split(" loaded from ").length;
    const before = loads();
    await site("LAB_TWO");
    host.postern.signal("SIGHUP");
    await until("the rules to be read", () => loads() > before);
    const told = performance.now();
    await until("the new rule", () => allHit(seen, "LAB_TWO"), SOON_MS);
    await stop();
    allScored(seen);
    const ends = seen
      .filter(({ rules }) => rules.includes("LAB_TWO"))
      .map((one) => one.begun + one.ms);
    // Whoever came in the second half of that time was not kept waiting for the new ones.
    const half = (told + Math.min(...ends)) / 2;
    const late = seen.filter(({ begun, rules }) => begun > half && rules.includes("LAB_ONE"));
    expect(late.length).toBeGreaterThan(0);
    expect(await failures()).toBe(0);
    expect(host.postern.log()).not.toContain("UNCHECKED");
  });

  test("of several changes in a row the last one stays", async () => {
    const { seen, stop } = flow();
    for (const rule of ["LAB_THREE", "LAB_FOUR", "LAB_FIVE"]) {
      await site(rule);
      host.postern.signal("SIGHUP");
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await until("the last rule", () => allHit(seen, "LAB_FIVE"), SOON_MS);
    const after = seen.length;
    await until("more mail", () => seen.length > after + 15);
    await stop();
    allScored(seen);
    expect(allHit(seen, "LAB_FIVE")).toBe(true);
    expect(await failures()).toBe(0);
  });

  test("a changed configuration brings new workers, and they score from their first message on", async () => {
    const { configFile } = host.postern;
    const before = await readFile(configFile, "utf8");
    const { seen, stop } = flow();
    await until("mail to flow", () => allHit(seen, "LAB_FIVE"));
    await site("LAB_SIX");
    await writeFile(configFile, before.replace('max_size = "500K"', 'max_size = "400K"'));
    host.postern.signal("SIGHUP");
    await until("new workers", () => host.postern.log().includes("new workers took over"), SOON_MS);
    await until("the new rule", () => allHit(seen, "LAB_SIX"), SOON_MS);
    await stop();
    allScored(seen);
    expect(await failures()).toBe(0);
    expect(host.postern.log()).not.toMatch(/UNCHECKED|\(!\)/);
  });

  test("a local.cf with a mistake keeps the old rules, and says in which line", async () => {
    const loaded = (): Promise<number> => host.count("postern_rules_load_success");
    const before = await readFile(local, "utf8");
    const { seen, stop } = flow();
    await until("mail to flow", () => allHit(seen, "LAB_SIX"));
    await site("LAB_NEVER");
    const from = host.postern.log().length;
    const broken = `body LAB_BROKEN /her(on/\nscore LAB_BROKEN 1\nno_such_directive 1\n`;
    await writeFile(local, `${before}\n${broken}`);
    host.postern.signal("SIGHUP");
    const line = before.split("\n").length + 1;
    await until("the mistake to be told", () =>
      host.postern.log().slice(from).includes(`${local}:${line}: `),
    );
    await until("the old ones to be kept", async () => (await loaded()) === 0);
    const said = host.postern.log().slice(from);
    expect(said).toContain("the rule files have errors: the last good ones stay in force");
    expect(said).not.toContain(" loaded from ");
    const since = seen.length;
    await until("more mail", () => seen.length > since + 15);
    await stop();
    expect(seen.every(({ rules }) => rules.join() === "LAB_SIX")).toBe(true);
    allScored(seen);

    await writeFile(local, `${before}\n${broken.replace("her(on", "heron")}`);
    await site("LAB_SEVEN");
    host.postern.signal("SIGHUP");
    await until(
      "the new rules",
      async () => {
        const { status } = await host.arrived(`mended-${Date.now()}`, "A heron.");
        return status.includes("LAB_SEVEN") && status.includes("LAB_BROKEN=1");
      },
      SOON_MS,
    );
    expect(await loaded()).toBe(1);
    // What is not known is no mistake: it may be a plugin's.
    expect(host.postern.log().slice(from)).toMatch(
      /local\.cf:\d+: "no_such_directive" is not known/,
    );
    expect(await failures()).toBe(0);
  });
});
