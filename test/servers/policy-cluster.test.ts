// The policy listener in a node:cluster worker (SCHED_NONE): answers, stops gracefully, and the worker exits.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("answers and stops in a worker", async () => {
  const script = new URL("policy-cluster-worker.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 15_000 });
  expect(stdout.trim().split("\n")).toEqual([
    "action=REJECT 5.7.1 a",
    "action=REJECT 5.7.1 b",
    "end",
    "worker exit 0",
  ]);
});
