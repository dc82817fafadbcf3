// The engine and a real spamd over the messages of this repository: the cases of the content checks (odd and hostile MIME) and what the
// hookups carry. The same rules hit, the points are the same, nobody decides otherwise.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { ruleDirectories } from "../../../src/spamrules/language/directories.ts";
import { compare, type Opinion } from "../../parity/compare.ts";
import { ourSide } from "../../parity/our-side.ts";
import { startedSpamd } from "../../parity/spamd-side.ts";
import { have } from "../lab/peers.ts";
import { SAMPLES } from "../lab/samples.ts";

const CASES = resolve(import.meta.dirname, "../../cases");

/** Rules whose answers hang on rules without points. */
const MUTE = readFileSync(join(import.meta.dirname, "rules/mute.cf"), "latin1");
/** Charsets that Perl's Encode knows and the engine does not. */
const KNOWN = new Set(["utf-32.case"]);

function messages(): ReadonlyMap<string, Buffer> {
  const names = readdirSync(CASES).filter((name) => !KNOWN.has(name));
  const cases = names.map((name): [string, Buffer] => {
    const text = readFileSync(join(CASES, name), "latin1");
    return [name, Buffer.from(text.slice(text.indexOf("\n\n") + 2), "latin1")];
  });
  return new Map([...cases, ...SAMPLES.map(({ name, raw }): [string, Buffer] => [name, raw])]);
}

test.skipIf(!have("spamd"))("the same hits, points and decisions as spamd", async () => {
  const { ruleDirs, siteDirs } = await ruleDirectories();
  const where = { ruleDir: ruleDirs[0] ?? "", siteDir: siteDirs[0] ?? "", more: MUTE };
  const [ours, theirs] = [await ourSide(where, 1, false), await startedSpamd(where, 2)];
  const [our, their] = [
    new Map<string, Opinion | null>(),
    new Map<string, Opinion | null>(),
  ] as const;
  try {
    for (const [name, octets] of messages()) {
      our.set(name, await ours.opinion(octets));
      their.set(name, await theirs.opinion(octets));
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  const found = compare(our, their, 0.01);
  console.log(`${found.messages} messages, ${found.pairs.both} hits in common`);
  expect(found.messages).toBeGreaterThan(60);
  expect(found.unanswered).toEqual([]);
  expect(found.rules).toEqual([]);
  expect(found.scores.rate).toBe(1);
  expect(found.decisions.rate).toBe(1);
});
