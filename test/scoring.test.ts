import { expect, it } from "vitest";
import { parseConfig } from "../src/config.ts";
import { hasMailToScore } from "../src/scoring.ts";

it.each([
  ["smtp", "", true],
  ["lmtp", "", true],
  ["lmtp", 'role = "delivery"', false],
  ["spamd", "", true],
  ["policy", "", false],
  ["http", "", false],
])("has the rules compiled at the start for %s %s: %s", (protocol, more, is) => {
  const text = `[[listener]]\nprotocol = "${protocol}"\nlisten = "127.0.0.1:1"\n${more}\n`;
  expect(hasMailToScore(parseConfig(text, "postern.toml"))).toBe(is);
});
