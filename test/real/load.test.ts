// Fifty messages of 20 MB in flight at once: each arrives with its SHA-256, memory stays bounded, the event loop stays free. The
// bench `large` does the work in processes of its own; here are the promises. Needs no other server.
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, run } from "./lab/lab.ts";

const MB = 1024 * 1024;

interface Figures {
  readonly wrong: readonly string[];
  readonly baseline: number;
  readonly peak: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly maxAtStartMs: number;
  readonly waitedMs: number;
}

/**
 * Other work on the machine can only make a run worse: the best of three counts, and the time that a process of ours had to wait
 * for a core is not ours. Every run must lose nothing.
 */
const RUNS = 3;

test("fifty messages of 20 MB at once arrive unchanged, in bounded memory, on a free event loop", async () => {
  const best = { growth: Infinity, lateMs: Infinity };
  for (let i = 0; i < RUNS && !(best.growth < 150 && best.lateMs < 20); i++) {
    const figures = await large();
    expect(figures.wrong).toEqual([]);
    const growth = (figures.peak - figures.baseline) / MB;
    best.growth = Math.min(best.growth, growth);
    best.lateMs = Math.min(best.lateMs, figures.p999Ms - figures.waitedMs);
    console.log(
      `memory +${growth.toFixed(0)} MB, event loop late by p99.9 ${figures.p999Ms.toFixed(1)} ms, at most ${figures.maxMs.toFixed(1)} ms ` +
        `(${figures.maxAtStartMs.toFixed(1)} ms before the run); a process waited for a core at most ${figures.waitedMs.toFixed(0)} ms`,
    );
  }
  expect(best.growth).toBeLessThan(150);
  expect(best.lateMs).toBeLessThan(20);
}, 300_000);

async function large(): Promise<Figures> {
  const bench = [join(ROOT, "test/bench/main.ts"), "large", "--json"];
  const args = [...bench, "--count", "50", "--size", "20"];
  const { stdout, stderr } = await run(process.execPath, args, { timeoutMs: 90_000 });
  expect(stdout, stderr).toMatch(/^\{/);
  return (JSON.parse(stdout) as { figures: Figures }).figures;
}
