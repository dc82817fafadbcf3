// What a message leaves in the statistics, through a running app and its store.
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { sqliteStore } from "../../src/state/sqlite.ts";
import { SPANS, STAT_KINDS, startOf } from "../../src/state/stats-store.ts";
import { runningApp, type RunningApp } from "../fakes/running-app.ts";

let running: RunningApp | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

it("counts verdicts, sums, senders, recipients and symbols in the store, like the metric", async () => {
  running = await runningApp({
    toml: '[next_hop]\nrelay = "local"\n[delivery]\ndomains = ["ours.example"]\nmail_root = "DIR/mail"\nunknown = "create"',
  });
  const text = (body: string): string => `Subject: x\nMessage-ID: <1@x>\n\n${body}\n`;
  await running.send({ to: ["A@Ours.example", "b@ours.example"], text: text("hello") });
  await running.send({ from: null, to: ["a@ours.example"], text: text(GTUBE) });
  const store = sqliteStore(join(running.dir, "state/state.db"), 10_000);
  const hour = startOf("hour", Date.now());
  const found = async (): Promise<Map<string, number>> => {
    const counts = await store.stats.read(
      "hour",
      STAT_KINDS,
      hour - SPANS.hour,
      hour + 2 * SPANS.hour,
    );
    const sums = new Map<string, number>();
    for (const { kind, name, count } of counts)
      sums.set(`${kind} ${name}`, (sums.get(`${kind} ${name}`) ?? 0) + count);
    return sums;
  };
  await expect
    .poll(async () => (await found()).get("sum messages"), { timeout: 15_000, interval: 200 })
    .toBe(2);
  const counts = await found();
  expect(Object.fromEntries(counts)).toMatchObject({
    "verdict Inbound clean accept": 1,
    "verdict Inbound spam tag": 1,
    "sum recipients": 3,
    "sender remote.example": 1,
    "sender <>": 1,
    "recipient a@ours.example": 2,
    "recipient b@ours.example": 1,
    "symbol GTUBE": 1,
  });
  const metric = await running.metrics.messages.get();
  const verdicts = [...counts].filter(([name]) => name.startsWith("verdict "));
  expect(
    metric.values.map(({ labels, value }) => [
      `verdict ${labels.direction} ${labels.category} ${labels.disposition}`,
      value,
    ]),
  ).toEqual(expect.arrayContaining(verdicts));
  expect(counts.get("sum octets")).toBeGreaterThan(80);
  await store.close();
});
