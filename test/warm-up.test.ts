// The mail that nobody sent: it must reach every check that loads something, and nothing outside.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { parseConfig } from "../src/config.ts";
import { warmUp } from "../src/warm-up.ts";

const config = (toml: string) => parseConfig(toml, join("/tmp", "postern.toml"));

it("passes what a good mail passes, and asks no server", async () => {
  const server = createSocket("udp4").bind(0, "127.0.0.1");
  await once(server, "listening");
  let asked = 0;
  server.on("message", () => asked++);
  try {
    const found = await warmUp(config(`[dns]\nservers = ["127.0.0.1:${server.address().port}"]\n`));
    expect(found).toEqual(expect.arrayContaining(["SPF_PASS", "DKIM_PASS", "DMARC_PASS", "DUNNO"]));
    expect(found.filter((symbol) => symbol.startsWith("UNCHECKED_"))).toEqual([]);
    await setTimeout(20);
    expect(asked).toBe(0);
  } finally {
    server.close();
  }
});

it("loads nothing of sender authentication where it is off", async () => {
  const found = await warmUp(config('[dns]\nservers = "off"\n'));
  expect(found.filter((symbol) => /^(?:SPF|DKIM|DMARC)_/.test(symbol))).toEqual([]);
  expect(found).toContain("DUNNO");
});
