// The words about each command: postern --help, postern COMMAND --help, --version, and what is said of arguments without sense.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { USAGE, USAGES } from "../../src/cli/usage.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

function postern(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", input: "" });
}

describe("the usages", () => {
  it.each(Object.entries({ ...USAGES, postern: USAGE }))("%s fits 80 columns", (_name, text) => {
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(text).toMatch(/^usage: postern .*\n$/s);
  });

  it("name every command", () => {
    for (const command of Object.keys(USAGES)) expect(USAGE).toMatch(`\n  ${command} `);
  });
});

describe("postern", () => {
  it("COMMAND --help prints that command's usage and does nothing", () => {
    expect(postern("serve", "--help")).toEqual(
      expect.objectContaining({ status: 0, stdout: USAGES.serve, stderr: "" }),
    );
    expect(postern("dkim", "keygen", "-h").stdout).toBe(USAGES.dkim);
    expect(postern("help", "quarantine").stdout).toBe(USAGES.quarantine);
  });

  it("--version says which program this is", () => {
    const about = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(postern("--version").stdout).toBe(
      `postern ${about.version} on Node ${process.version}\n`,
    );
  });

  it("ends quietly when nobody reads on", () => {
    const rules = fileURLToPath(new URL("../../rules/policy.rules", import.meta.url));
    const files = Array.from({ length: 20 }, () => `"${rules}"`).join(" ");
    const { stderr } = spawnSync(
      "/bin/sh",
      ["-c", `"${process.execPath}" "${MAIN}" scan --json ${files} | head -c 1`],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
  });

  it("shows the usage where arguments make no sense", () => {
    expect(postern("scan")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: `postern: scan needs a FILE, a DIRECTORY, or - for standard input\n${USAGES.scan}`,
    });
    const client = postern("scan", "--client", "192.0.2.300", "-");
    expect(client.status).toBe(2);
    expect(client.stderr).toContain("--client 192.0.2.300 is no IP address");
  });
});
