// Counters over the lives of workers: what a scrape has once said never goes down, and the dead leave one sum and no gauges.
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { expect, it } from "vitest";
import { page, tally } from "../src/tally.ts";
import type { MetricsJson } from "../src/process-messages.ts";

async function counted(messages: number, inFlight: number): Promise<MetricsJson> {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: "messages", help: "m", labelNames: ["to"], registers }).inc(
    { to: "x" },
    messages,
  );
  const seconds = new Histogram({ name: "seconds", help: "s", buckets: [1, 2], registers });
  for (let i = 0; i < messages; i++) seconds.observe(1.5);
  new Gauge({ name: "in_flight", help: "f", aggregator: "sum", registers }).set(inFlight);
  return await registry.getMetricsAsJSON();
}

const value = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? NaN);

it("counts what the dead counted, once, and drops their gauges", async () => {
  const all = tally<string>();
  all.sample("a", await counted(3, 2));
  all.sample("b", await counted(4, 5));
  let text = await page(await all.all());
  expect(value(text, 'messages\\{to="x"\\}')).toBe(7);
  expect(value(text, "in_flight")).toBe(7);
  all.gone("a");
  all.gone("a");
  text = await page(await all.all());
  expect(value(text, 'messages\\{to="x"\\}')).toBe(7);
  expect(value(text, 'seconds_bucket\\{le="2"\\}')).toBe(7);
  expect(value(text, "seconds_sum")).toBe(10.5);
  expect(value(text, "in_flight")).toBe(5);
});

it("keeps one sum for any number of dead workers", async () => {
  const all = tally<number>();
  for (let worker = 0; worker < 200; worker++) {
    all.sample(worker, await counted(1, 1));
    all.gone(worker);
  }
  expect(await all.all()).toHaveLength(1);
  const text = await page(await all.all());
  expect(value(text, 'messages\\{to="x"\\}')).toBe(200);
  expect(value(text, "seconds_count")).toBe(200);
  expect(text).not.toContain("in_flight");
});

it("knows workers of which nothing was ever heard", async () => {
  const all = tally<string>();
  all.gone("a");
  expect(await page(await all.all())).toBe("\n");
});
