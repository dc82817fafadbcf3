// Two projects: `unit` is hermetic (no network, no other server); `real` starts Postfix, Exim, Dovecot and needs root. REAL_LANE takes
// a part of `real`: "main", "side" and "spam" may run beside one another, "alone" measures time.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const files = (names: readonly string[]): string[] =>
  names.map((name) => `test/real/${name}.test.ts`);
const ALONE = files(["load", "outage", "faults/*", "rolling", "admission", "crowd"]);
const SIDE = files([
  "zoo/*",
  "virus",
  "malware",
  "nodes*",
  "redis*",
  "rbldnsd",
  "policy-sockets",
  "prometheus",
  "soak",
  "kill",
  "spam-unusable-rules",
]);
const SPAM = files(["spam*", "spamrules/*", "native-spam", "training"]);
const ALL = ["test/real/**/*.test.ts"];
/** What these read is not ours to bring: SpamAssassin's own tests (SA_TESTS is the path of its t/), a collection of mail (SA_CORPUS). */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  SA_TESTS: ["received-tables", "uri-tables", "sa-tests"],
  SA_CORPUS: ["tagged"],
};
const without = Object.entries(FOREIGN)
  .filter(([variable]) => process.env[variable] === undefined)
  .flatMap(([, names]) => files(names.map((name) => `spamrules/${name}`)));
const LANES: Readonly<Record<string, { include: string[]; exclude: string[] }>> = {
  all: { include: ALL, exclude: without },
  main: { include: ALL, exclude: [...ALONE, ...SIDE, ...SPAM] },
  side: { include: SIDE, exclude: [] },
  spam: { include: SPAM, exclude: [...SIDE, ...without] },
  alone: { include: ALONE, exclude: [] },
};
const lane = LANES[process.env["REAL_LANE"] ?? "all"];
if (lane === undefined) throw new Error(`REAL_LANE: one of ${Object.keys(LANES).join(", ")}`);

/** What is polled for ends when it is there: a busy machine may take its time. */
const expect = { poll: { timeout: 10_000 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/real/**"],
          // Left to itself vitest leaves one core idle, of two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect,
        },
      },
      {
        test: {
          name: "real",
          ...lane,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          expect,
        },
      },
    ],
  },
});
