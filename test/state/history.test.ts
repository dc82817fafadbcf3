import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { historyReader } from "../../src/state/history-read.ts";
import type { HistoryRow } from "../../src/state/history-row.ts";
import { historyWriter, type HistoryOptions } from "../../src/state/history.ts";

const dirs: string[] = [];
afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
});

const DAY = 86_400_000;

function row(over: Partial<HistoryRow> = {}): HistoryRow {
  return {
    v: 1,
    time: Date.now(),
    id: "00001-01",
    mailId: "abcdefghijkl",
    listener: "smtp:x",
    mode: "after-queue",
    origin: "inbound",
    client: { address: "192.0.2.1", name: null, helo: null, ident: null },
    sender: "a@example.org",
    size: 100,
    recipients: [],
    moreRecipients: 0,
    header: [["Message-ID", "<one@example.org>"]],
    parts: null,
    moreParts: 0,
    findings: [],
    moreFindings: 0,
    checks: {},
    rules: "0123456789",
    ms: 1,
    quarantine: null,
    ...over,
  };
}

interface Rig {
  readonly file: string;
  readonly counted: { written: number; dropped: number };
  readonly warnings: string[];
  readonly options: HistoryOptions;
}

async function rig(over: Partial<HistoryOptions> = {}): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), "postern-history-"));
  dirs.push(dir);
  const counted = { written: 0, dropped: 0 };
  const warnings: string[] = [];
  const file = join(dir, "history.db");
  const options: HistoryOptions = {
    file,
    maxAgeMs: 30 * DAY,
    maxBytes: 1e9,
    onResult: (result, rows) => (counted[result] += rows),
    warn: (text) => warnings.push(text),
    ...over,
  };
  return { file, counted, warnings, options };
}

describe("the history", () => {
  it("keeps rows, newest first, and finds them by every name", async () => {
    const { file, options, counted } = await rig();
    const history = historyWriter(options);
    const now = Date.now();
    for (let n = 0; n < 1200; n++)
      history.add(
        row({
          time: now - 1199 + n,
          mailId: `m${n}`,
          id: `00001-${n}`,
          header: [["message-id", `<${n}@x>`]],
        }),
      );
    await history.close();
    expect(counted).toEqual({ written: 1200, dropped: 0 });
    const reader = historyReader(file);
    const all = [...reader.rows(now - 10, now + 1)];
    expect(all.map(({ mailId }) => mailId).slice(0, 3)).toEqual(["m1199", "m1198", "m1197"]);
    expect(all).toHaveLength(11);
    for (const name of ["m7", "<7@x>", "7@x", "00001-7"])
      expect(reader.named(name, 10).map(({ mailId }) => mailId)).toEqual(["m7"]);
    expect(reader.named("' OR 1=1 --", 10)).toEqual([]);
    reader.close();
  });

  it("is written by two processes' threads at once", async () => {
    const { file, options, counted } = await rig();
    const both = [historyWriter(options), historyWriter(options)];
    for (let n = 0; n < 300; n++) both[n % 2]?.add(row());
    await Promise.all(both.map((one) => one.close()));
    expect(counted).toEqual({ written: 300, dropped: 0 });
    const reader = historyReader(file);
    expect([...reader.rows(0, Date.now() + 1)]).toHaveLength(300);
    reader.close();
  });

  it("forgets what is too old", async () => {
    const { file, options } = await rig();
    const first = historyWriter(options);
    first.add(row({ time: Date.now() - 31 * DAY, mailId: "old" }));
    first.add(row({ mailId: "new" }));
    await first.close();
    const reader = historyReader(file);
    expect([...reader.rows(0, Date.now() + 1)].map(({ mailId }) => mailId)).toEqual(["new"]);
    reader.close();
  });

  it("stays near its size, whatever comes", async () => {
    const maxBytes = 1024 * 1024;
    const { file, options, counted } = await rig({ maxBytes });
    const big = row({ sender: "x".repeat(3000) });
    for (let round = 0; round < 3; round++) {
      const history = historyWriter(options);
      for (let n = 0; n < 1000; n++) history.add({ ...big, mailId: `${round}-${n}` });
      await history.close();
    }
    expect(counted.written).toBe(3000);
    // Three rounds are 9 MiB; each is followed by the removal of the oldest 2,000.
    expect((await stat(file)).size).toBeLessThan(9 * maxBytes);
    const reader = historyReader(file);
    expect([...reader.rows(0, Date.now() + 1)].length).toBeLessThan(2000);
    reader.close();
  });

  it("drops, counts and tells what cannot be written, and goes on when it can", async () => {
    const { file, options, counted, warnings } = await rig();
    await writeFile(file, "this is no database ".repeat(100));
    const history = historyWriter(options);
    history.add(row());
    await expect.poll(() => counted.dropped, { timeout: 10_000 }).toBe(1);
    expect(warnings[0]).toMatch(/^history: 1 messages are not in .*history\.db: .*not a database/);
    await rm(file);
    history.add(row());
    await expect.poll(() => counted.written, { timeout: 10_000 }).toBe(1);
    await history.close();
  });

  it("holds a bounded amount for a thread that is behind", async () => {
    const { options, counted, warnings } = await rig();
    const history = historyWriter(options);
    for (let n = 0; n < 6000; n++) history.add(row());
    expect(counted.dropped).toBe(1000);
    expect(warnings).toHaveLength(1);
    await history.close();
    expect(counted.written).toBe(5000);
  });

  it("makes no file before the first row", async () => {
    const { options, file } = await rig();
    await historyWriter(options).close();
    expect(await readdir(join(file, ".."))).toEqual([]);
  });
});
