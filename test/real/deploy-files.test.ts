// The files of deploy/ that no MTA reads, by the programs that do: promtool, systemd, and postern itself.
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { metrics } from "../../src/sys/metrics.ts";
import { lab, must, ROOT, run, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";

const DEPLOY = join(ROOT, "deploy");

describe.skipIf(!have("promtool"))("deploy/prometheus", () => {
  test("promtool accepts rules and scrape configuration", async () => {
    await must("promtool", ["check", "rules", join(DEPLOY, "prometheus/alerts.yml")]);
    await must("promtool", ["check", "config", join(DEPLOY, "prometheus/scrape.yml")]);
  });

  test("promtool accepts our metrics", async () => {
    const checked = await run("promtool", ["check", "metrics"], {
      input: await metrics().registry.metrics(),
    });
    expect(checked.stdout + checked.stderr).toBe("");
  });

  test("alerts speak only of metrics that exist", async () => {
    const alerts = await readFile(join(DEPLOY, "prometheus/alerts.yml"), "utf8");
    const known = metrics()
      .registry.getMetricsAsArray()
      .map((metric) => metric.name);
    const named = new Set(
      alerts.match(/\bpostern_\w+/g)?.map((name) => name.replace(/_bucket$/, "")),
    );
    expect([...named].filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe("deploy/**/*.toml", () => {
  let room: Lab;
  beforeAll(async () => {
    room = await lab("toml");
    await cp(join(ROOT, "rules"), join(room.dir, "rules"), { recursive: true });
  });
  afterAll(() => room?.cleanUp());

  test("each is a configuration that postern accepts", async () => {
    const names = (await readdir(DEPLOY, { recursive: true })).filter((name) =>
      name.endsWith(".toml"),
    );
    expect(names.length).toBeGreaterThanOrEqual(5);
    for (const name of names) {
      // What is appended to a filter's file is read behind one.
      const first = name === "held-mail.toml" ? ["postfix/after-queue.toml"] : [];
      const texts = [...first, name].map((one) => readFile(join(DEPLOY, one), "utf8"));
      const text = (await Promise.all(texts)).join("\n");
      const file = join(room.dir, name.replaceAll("/", "-"));
      // Relative paths and files that are looked for are those of the lab.
      await writeFile(file, text.replaceAll("/etc/postern", room.dir));
      expect(loadConfig(file).networks.mta_names, name).toContain("mx.example.com");
    }
  });
});

describe.skipIf(!have("systemd"))("deploy/systemd", () => {
  test("systemd finds nothing to complain about but that postern is not installed here", async () => {
    const units = ["postern.service", "postern-delivery.service"].map((name) =>
      join(DEPLOY, "systemd", name),
    );
    const { stderr } = await run("systemd-analyze", ["verify", "--man=no", ...units]);
    expect(
      stderr.split("\n").filter((line) => line !== "" && !line.includes("/opt/postern/")),
    ).toEqual([]);
  });

  test("both units stay confined", async () => {
    for (const name of ["postern.service", "postern-delivery.service"]) {
      const text = await readFile(join(DEPLOY, "systemd", name), "utf8");
      for (const line of [
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "RestartPreventExitStatus=2",
      ]) {
        expect(text.split("\n"), name).toContain(line);
      }
      expect(text).not.toMatch(/^MemoryDenyWriteExecute/m);
    }
  });
});
