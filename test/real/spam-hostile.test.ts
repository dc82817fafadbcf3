// Hostile texts sent to a running serve with the engine and SpamAssassin's rules: each is scored by all rules within the deadline, for a
// bounded time of the processor, without a thread being ended, and the letter behind it waits for nothing.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { treeCpuSeconds } from "../bench/procfs.ts";
import { lab, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { letter, scoringHost, spamFieldsOf, type ScoringHost } from "./lab/scoring-host.ts";

const DEADLINE_MS = 8000;
/** Of all processes of the serve, for one message; most take a tenth of it. */
const CPU_SECONDS = 3;
/** For an ordinary letter on a busy machine. */
const FAST_MS = 2000;
/** Of a thread's job: all ends but "done". */
const BAD_ENDS = ["failed", "late", "crashed", "refused", "aborted"] as const;

const wrapped = (text: string, width: number): string =>
  (text.match(new RegExp(`[^]{1,${width}}`, "g")) ?? []).join("\r\n");
const times = (count: number, one: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => one(n)).join("");

/** A letter with more header fields in front of its own. */
const under = (fields: string, text: Buffer): Buffer =>
  Buffer.concat([Buffer.from(fields, "latin1"), text]);
/** One that is a part of this type, in base64, so that its lines are as long as they like. */
const encoded = (name: string, type: string, text: string): Buffer =>
  under(
    `MIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n`,
    letter(name, wrapped(Buffer.from(text, "latin1").toString("base64"), 76)),
  );

/** What repetitions of alternatives and of blanks hang at: many of the same, and behind them nothing that would fit. */
const BAIT = [
  "a ",
  "aA0",
  " \t",
  "v.i_a-g-r-a ",
  "click here to ",
  "$1,000,000 ",
  "((((",
  "<<a<",
  "=?utf-8?q?",
  "www.www.",
  "a@b.",
  "http://",
  "&#x41;",
  "\xc3\xa9",
  "dear dear friend ",
  "0123456789",
];
const bait = (octets: number, between: string): string =>
  BAIT.map((unit) => `${unit.repeat(Math.ceil(octets / unit.length))}!`).join(between);

const TEXTS: Readonly<Record<string, (name: string) => Buffer>> = {
  "200 KiB of a, in lines": (name) => letter(name, wrapped("a".repeat(200 * 1024), 900)),
  "200 KiB of a, in one line": (name) => encoded(name, "text/plain", "a".repeat(200 * 1024)),
  "bait for repetitions in a body": (name) => encoded(name, "text/plain", bait(16_384, "\n")),
  "bait for repetitions in fields": (name) =>
    under(
      `X-Mailer: ${bait(900, "\r\n ")}\r\nReply-To: ${bait(900, "\r\n ")}\r\n`,
      letter(name, "x"),
    ),
  "50,000 links": (name) =>
    letter(
      name,
      times(50_000, (n) => `http://h${n}.example.com/p${n}\r\n`),
    ),
  "20,000 links of HTML": (name) =>
    encoded(
      name,
      "text/html",
      times(20_000, (n) => `<a href="http://h${n}.example.com/">l${n}</a> `),
    ),
  "100,000 nested tags": (name) =>
    encoded(name, "text/html", `${"<div>".repeat(100_000)}the bottom`),
  "100,000 nested tags of several kinds": (name) =>
    encoded(
      name,
      "text/html",
      `${'<font size="1" color="#fff"><b><table><tr><td>'.repeat(20_000)}the bottom`,
    ),
  "100,000 header fields": (name) => {
    const text = letter(name, "hello");
    const end = text.indexOf("\r\n\r\n") + 2;
    const fields = Buffer.from(times(100_000, (n) => `X${n % 10}: v\r\n`));
    return Buffer.concat([text.subarray(0, end), fields, text.subarray(end)]);
  },
  "2 MB of HTML in base64": (name) =>
    encoded(
      name,
      "text/html",
      times(
        18_000,
        (n) =>
          `<p style="color:red">Paragraph <b>${n}</b> of &quot;many&quot;, with words enough to read.</p>\n`,
      ),
    ),
};

describe.skipIf(!have("spamd"))("hostile texts", () => {
  let room: Lab;
  let host: ScoringHost;
  let sent = 0;
  beforeAll(async () => {
    room = await lab("hostile");
    host = await scoringHost(room, {
      more: `[spam]\nengine = "native"\ndeadline = "${DEADLINE_MS}ms"\nmax_size = "8M"\n`,
    });
    for (let n = 0; n < 20; n++) await host.arrived(`warm-${n}`, "Dear Bob,\r\n\r\nthe minutes.");
  });
  afterAll(() => room?.cleanUp());

  test("the rules are SpamAssassin's", async () => {
    expect(await host.count("postern_spam_rules")).toBeGreaterThan(2000);
  });

  test.each(Object.entries(TEXTS))("%s", async (_what, text) => {
    const name = `hostile-${++sent}`;
    const data = text(name);
    const before = treeCpuSeconds(host.postern.pid());
    const { reply, ms } = await host.send(data);
    const seconds = treeCpuSeconds(host.postern.pid()) - before;
    expect(reply).toMatch(/^250 /);
    const next = await host.arrived(`${name}-next`, "Dear Bob,\r\n\r\nthe minutes.");
    expect(spamFieldsOf(await host.sink.find(`<lab-${name}@`)).status).toMatch(/score=/);
    expect(next.status).toMatch(/^No, score=/);
    expect(seconds).toBeLessThan(CPU_SECONDS);
    expect(ms).toBeLessThan(DEADLINE_MS);
    expect(next.ms).toBeLessThan(FAST_MS);
  });

  test("in the end no thread was ended, no score was partial, and every check had answered", async () => {
    for (const pool of ["spam", "deep"])
      for (const result of BAD_ENDS)
        expect(
          await host.count(`postern_thread_jobs_total{pool="${pool}",result="${result}"}`),
          `${pool} ${result}`,
        ).toBe(0);
    const scored = 20 + 2 * Object.keys(TEXTS).length;
    expect(await host.count('postern_spam_engine_total{result="scored"}')).toBe(scored);
    expect(
      await host.count('postern_thread_jobs_total{pool="spam",result="done"}'),
    ).toBeGreaterThanOrEqual(scored);
    expect(host.postern.log()).not.toMatch(/could not answer|\(!\)/);
  });
});
