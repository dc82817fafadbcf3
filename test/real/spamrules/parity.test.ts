// The engine and a real spamd over the messages of this repository: the cases of the content checks (odd and hostile MIME) and what the
// hookups carry. The same rules hit, the points are the same, nobody decides otherwise.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { have } from "../lab/peers.ts";
import { SAMPLES } from "../lab/samples.ts";
import { besideSpamd } from "./beside-spamd.ts";

const CASES = resolve(import.meta.dirname, "../../cases");

/** Rules whose answers hang on rules without points. */
const MUTE = readFileSync(join(import.meta.dirname, "rules/mute.cf"), "latin1");

function messages(): ReadonlyMap<string, Buffer> {
  const cases = readdirSync(CASES).map((name): [string, Buffer] => {
    const text = readFileSync(join(CASES, name), "latin1");
    return [name, Buffer.from(text.slice(text.indexOf("\n\n") + 2), "latin1")];
  });
  return new Map([...cases, ...SAMPLES.map(({ name, raw }): [string, Buffer] => [name, raw])]);
}

test.skipIf(!have("spamd"))("the same hits, points and decisions as spamd", async () => {
  const found = await besideSpamd(messages(), MUTE);
  console.log(`${found.messages} messages, ${found.pairs.both} hits in common`);
  expect(found.messages).toBeGreaterThan(60);
  expect(found.unanswered).toEqual([]);
  expect(found.rules).toEqual([]);
  expect(found.scores.rate).toBe(1);
  expect(found.decisions.rate).toBe(1);
});
