// The listener in a node:cluster worker (SCHED_NONE): takes mail, stops gracefully, and the worker exits.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("listens and stops in a worker", async () => {
  const dir = mkdtempSync(join(tmpdir(), "cluster-"));
  const script = new URL("cluster-worker.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [script, dir], {
    timeout: 15_000,
  });
  rmSync(dir, { recursive: true });
  expect(stdout.trim().split("\n")).toEqual([
    "220",
    "250",
    "250",
    "250",
    "354",
    "250",
    "421",
    "worker exit 0",
  ]);
});
