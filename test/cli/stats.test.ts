import fc from "fast-check";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, it } from "vitest";
import { ranking, stackedBar } from "../../src/cli/bars.ts";
import { stats } from "../../src/cli/stats.ts";
import type { Sums } from "../../src/cli/stats-sums.ts";
import { sqliteOperations, type Operations } from "../../src/state/sqlite-operations.ts";
import { SCHEMA } from "../../src/state/sqlite-schema.ts";
import { SPANS, type StatKind, type StatsStore } from "../../src/state/stats-store.ts";

const T0 = Date.UTC(2026, 10, 21, 9, 30);
const HOUR = Date.UTC(2026, 10, 21, 9);
let operations: Operations;
beforeEach(() => {
  const db = new DatabaseSync(":memory:");
  db.exec(SCHEMA);
  operations = sqliteOperations(db);
});
const store: StatsStore = {
  add: async (...args) => operations.addStats(...args),
  read: async (...args) => operations.readStats(...args),
};

let ids = 0;
const put = (kind: StatKind, name: string, count: number, ago = 0): void =>
  operations.addStats(
    String(ids++),
    [{ start: HOUR - ago * SPANS.hour, kind, name, count }],
    Date.now(),
  );

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await stats(args, {
    store,
    out: (text) => (out += text),
    err: (text) => (err += text),
    width: 80,
    now: () => T0,
  });
  return { code, out, err };
}

function aDay(): void {
  put("verdict", "Inbound clean accept", 30);
  put("verdict", "Inbound spam reject", 10);
  put("verdict", "Inbound spammy tag", 20, 1);
  put("verdict", "Outbound clean accept", 7, 30);
  put("sum", "messages", 38);
  put("sum", "messages", 20, 1);
  put("sum", "recipients", 60);
  put("sum", "octets", 3 * 1024 * 1024);
  put("sum", "ms", 580);
  for (let n = 0; n < 15; n++) put("sender", `d${n}.example`, 100 - n);
  put("symbol", "BULK", 5);
}

describe("postern stats", () => {
  it("draws the last 24 hours within the width of the terminal", async () => {
    aDay();
    const { code, out } = await run();
    expect(code).toBe(0);
    const lines = out.split("\n");
    expect(lines[0]).toBe(
      "the last 24 hours (UTC): 58 messages to 60 recipients, 3.0 MiB, 10 ms a message",
    );
    const row = (when: string): string => lines.find((line) => line.startsWith(`  ${when}`)) ?? "";
    expect(row("2026-11-21 09")).toMatch(/^ {2}2026-11-21 09 {2}40 {2}={40,}#{10,}$/);
    expect(row("2026-11-21 08")).toMatch(/^ {2}2026-11-21 08 {2}20 {2}\+{20,}$/);
    expect(row("2026-11-20 10")).toBe("  2026-11-20 10   0");
    expect(row("2026-11-20 09")).toBe("");
    expect(lines.every((line, n) => n === 0 || line.length <= 80)).toBe(true);
    expect(out).toMatch(/^ {2}Inbound spam reject +10 {2}=+$/m);
    expect(out).not.toContain("Outbound");
    expect(out).toMatch(/^ {2}d9\.example +91 {2}=+$/m);
    expect(out).not.toContain("d10.example");
    expect(out).toContain("and 440 of others");
    expect(out).toMatch(/top recipients\n {2}none/);
  });

  it("shows days, one table, and as many names as asked", async () => {
    aDay();
    const days = await run("--days", "2");
    expect(days.out).toMatch(/^ {2}2026-11-20 +7 {2}=+$/m);
    expect(days.out).toMatch(/^ {2}2026-11-21 +60 {2}[=+#]+$/m);
    const top = await run("--top", "senders", "--limit", "2");
    expect(top.out.split("\n")).toHaveLength(5);
    expect(top.out).toMatch(/^top senders \(domains\)\n {2}d0\.example +100 {2}=/);
  });

  it("writes JSON with everything in it", async () => {
    aDay();
    const sums = JSON.parse((await run("--json")).out) as Sums;
    expect(sums).toMatchObject({ from: "2026-11-20T10:00:00Z", to: "2026-11-21T10:00:00Z" });
    expect(sums.series).toHaveLength(24);
    expect(sums.series[23]).toMatchObject({
      start: "2026-11-21T09:00:00Z",
      messages: 38,
      octets: 3145728,
      dispositions: { accept: 30, reject: 10 },
    });
    expect(sums.verdicts[0]).toEqual({
      direction: "Inbound",
      category: "clean",
      disposition: "accept",
      count: 30,
    });
    expect(sums.top.sender?.names).toHaveLength(10);
    expect(JSON.parse((await run("--top", "symbols", "--json")).out)).toEqual({
      span: "hour",
      from: "2026-11-20T10:00:00Z",
      to: "2026-11-21T10:00:00Z",
      top: { symbol: { names: [{ name: "BULK", count: 5 }], other: 0 } },
    });
  });

  it("writes CSV, a row per count", async () => {
    put("sum", "octets", 5);
    put("sender", "", 2);
    const { out } = await run("--csv");
    expect(out).toBe(
      'start,kind,name,count\r\n2026-11-21T09:00:00.000Z,sum,"octets",5\r\n2026-11-21T09:00:00.000Z,sender,"",2\r\n',
    );
  });

  it("lets nothing of a name reach terminal or spreadsheet", async () => {
    const hostile = '=HYPERLINK("http://x")\u001b[2J\u202e\u0085\u{e0001}\r\n,@example.org';
    put("recipient", hostile, 1);
    put("recipient", "+1@example.org", 1);
    const forbidden = /[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f\u202e]|\u{e0001}/u;
    for (const form of ["--json", "--csv", "--limit=9"]) {
      const { out } = await run("--top", "recipients", form);
      expect(out).not.toMatch(forbidden);
      expect(out).toMatch(/HYPERLINK/);
    }
    const json = JSON.parse((await run("--top", "recipients", "--json")).out) as Sums;
    expect(json.top.recipient?.names.map(({ name }) => name)).toContain(hostile);
    const { out } = await run("--top", "recipients", "--csv");
    expect(out).toContain(`,"'+1@example.org",1\r\n`);
    expect(out.split("\r\n")).toHaveLength(4);
    expect(out).toContain(`"'=HYPERLINK(""http://x"")`);
  });

  it.each([
    [["--hours", "0"], "--hours takes a number from 1 to 360"],
    [["--days", "401"], "--days takes a number from 1 to 400"],
    [["--hours", "1", "--days", "1"], "not both"],
    [["--json", "--csv"], "not both"],
    [["--top", "sender"], "senders, recipients or symbols"],
    [["--limit", "1e2"], "--limit takes a number"],
    [["today"], "Unexpected argument"],
    [["--colour"], "Unknown option"],
  ])("%j is told to be wrong", async (args, why) => {
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(why);
    expect(err).toContain("usage: postern stats");
  });
});

describe("stackedBar", () => {
  it("never leaves its cells, shows every share that has room, and fills them for the most", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(10 ** 6), { minLength: 1, maxLength: 5 }),
        fc.nat(10 ** 6),
        fc.integer({ min: 0, max: 120 }),
        (values, more, cells) => {
          const shares = values.map((value, n) => ({ mark: "abcde"[n] ?? "", value }));
          const total = values.reduce((a, b) => a + b, 0);
          const bar = stackedBar(shares, total + more, cells);
          expect(bar.length).toBeLessThanOrEqual(cells);
          expect(bar === "").toBe(total === 0 || cells === 0);
          if (total === 0) return;
          if (more === 0) expect(bar.length).toBe(cells);
          const present = shares.filter(({ value }) => value > 0);
          if (more === 0 && cells >= present.length)
            for (const { mark } of present) expect(bar).toContain(mark);
        },
      ),
    );
  });

  it("keeps the width in a ranking of long names", () => {
    for (const line of ranking(
      [
        { name: "x".repeat(300), count: 5 },
        { name: "y", count: 12345 },
      ],
      60,
    ))
      expect(line.length).toBeLessThanOrEqual(60);
  });
});
