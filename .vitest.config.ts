// Two projects: `unit` is hermetic (no network, no other server); `real` starts Postfix, Exim, Dovecot and needs root. REAL_LANE takes
// a part of `real`, for machines that run two at once: "main" and "side" may run beside one another, "alone" measures time.
import { defineConfig } from "vitest/config";

const ALONE = ["load", "outage", "faults/*", "rolling", "admission", "crowd"].map(
  (name) => `test/real/${name}.test.ts`,
);
const SIDE = [
  "zoo/*",
  "spam",
  "spam-both",
  "spam-form",
  "virus",
  "malware",
  "nodes",
  "redis*",
  "rbldnsd",
  "policy-sockets",
  "soak",
  "kill",
  "spamc",
  "spamrules/*",
].map((name) => `test/real/${name}.test.ts`);
const ALL = ["test/real/**/*.test.ts"];
/** What these read is not ours to bring: SpamAssassin's own tests (SA_TESTS is the path of its t/), a collection of mail (SA_CORPUS). */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  SA_TESTS: ["received-tables", "uri-tables", "sa-tests"],
  SA_CORPUS: ["tagged"],
};
const without = Object.entries(FOREIGN)
  .filter(([variable]) => process.env[variable] === undefined)
  .flatMap(([, names]) => names.map((name) => `test/real/spamrules/${name}.test.ts`));
const LANES: Readonly<Record<string, { include: string[]; exclude: string[] }>> = {
  all: { include: ALL, exclude: without },
  main: { include: ALL, exclude: [...ALONE, ...SIDE] },
  side: { include: SIDE, exclude: without },
  alone: { include: ALONE, exclude: [] },
};
const lane = LANES[process.env["REAL_LANE"] ?? "all"];
if (lane === undefined) throw new Error(`REAL_LANE: one of ${Object.keys(LANES).join(", ")}`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/real/**"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "real",
          ...lane,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
