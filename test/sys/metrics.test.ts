import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { metrics } from "../../src/sys/metrics.ts";

it("every metric is set somewhere: README lists them all", () => {
  const src = new URL("../../src", import.meta.url).pathname;
  const code = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && file !== "sys/metrics.ts")
    .map((file) => readFileSync(join(src, file), "utf8"))
    .join("\n");
  const unset = Object.keys(metrics()).filter(
    (name) =>
      name !== "registry" && name !== "eventLoopDelay" && !new RegExp(`\\.${name}\\b`).test(code),
  );
  expect(unset).toEqual([]);
});
