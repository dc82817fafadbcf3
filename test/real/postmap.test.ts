// Single look-ups in virtual and aliases tables agree with Postfix' own: the same files, asked with postmap and postalias.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAliases } from "../../src/delivery/aliases.ts";
import { parseVirtual } from "../../src/delivery/virtual.ts";
import { lab, run } from "./lab/lab.ts";
import type { Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";

const VIRTUAL = `# comment
v.test anything
A@V.test b@x.test,
    c@x.test

# between
  , d@x.test
@w.test e@x.test
a+b@v.test f@x.test
bare g@x.test
"quoted x"@v.test h@x.test
`;
const VIRTUAL_KEYS = [
  "a@v.test",
  "A@v.test",
  "@w.test",
  "a+b@v.test",
  "bare",
  "x@w.test",
  "none@v.test",
];
const ALIASES = `# comment
Root: alice,
  bob
postmaster: root
"a b": carol@x.test
list+ext: dave
owner-list: erin
`;
const ALIAS_KEYS = ["root", "ROOT", "postmaster", "a b", "list+ext", "list", "owner-list", "alice"];

describe.skipIf(!have("postfix"))("tables as Postfix reads them", () => {
  let here: Lab;
  beforeAll(async () => {
    here = await lab("postmap");
    await writeFile(join(here.dir, "main.cf"), "compatibility_level = 3.6\n");
    await writeFile(join(here.dir, "virtual"), VIRTUAL);
    await writeFile(join(here.dir, "aliases"), ALIASES);
    const made = await run("/usr/sbin/postalias", [
      "-c",
      here.dir,
      `hash:${join(here.dir, "aliases")}`,
    ]);
    expect(made.code).toBe(0);
  });
  afterAll(() => here.cleanUp());

  const words = (text: string): readonly string[] =>
    text.split(/[\s,]+/).filter((word) => word !== "");

  test.each(VIRTUAL_KEYS)("virtual %s", async (key) => {
    const map = `texthash:${join(here.dir, "virtual")}`;
    const asked = await run("/usr/sbin/postmap", ["-c", here.dir, "-q", key, map]);
    const ours = parseVirtual(VIRTUAL, "virtual").entries.get(key.toLowerCase());
    expect(ours?.map(({ address }) => address) ?? []).toEqual(words(asked.stdout));
  });

  test.each(ALIAS_KEYS)("alias %s", async (key) => {
    const map = `hash:${join(here.dir, "aliases")}`;
    // local(8) folds names before it asks; postalias -q does so for hash maps too.
    const asked = await run("/usr/sbin/postalias", ["-c", here.dir, "-q", key.toLowerCase(), map]);
    const ours = parseAliases(ALIASES, "aliases").entries.get(key.toLowerCase());
    expect(ours?.map(({ address }) => address) ?? []).toEqual(words(asked.stdout));
  });
});
