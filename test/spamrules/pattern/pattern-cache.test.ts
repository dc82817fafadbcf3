import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { factsOf } from "../../../src/spamrules/pattern/facts.ts";
import { KnownPatterns } from "../../../src/spamrules/pattern/known-patterns.ts";
import { readKnown, writeKnown } from "../../../src/spamrules/pattern/pattern-cache.ts";

const PATTERNS = [
  { source: "lottery|v[i1\\xed]agra", flags: "i" },
  { source: "(?:[a-z]\\W?){40}\\xe9", flags: "" },
  { source: "(?<NAME>a)%{OTHER}", flags: "" },
  { source: "(a+)+b", flags: "" },
  { source: "(unclosed", flags: "" },
];

let dir = "";
let file = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "patterns-"));
  file = join(dir, "spam-patterns.cache");
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function written(): KnownPatterns {
  const known = new KnownPatterns();
  for (const pattern of PATTERNS) known.facts(pattern);
  writeKnown(file, known);
  return known;
}

describe("the cache of patterns", () => {
  it("gives back what was found out, and finds nothing out again", () => {
    expect(written().isNew).toBe(true);
    const again = readKnown(file);
    for (const pattern of PATTERNS) expect(again.facts(pattern)).toEqual(factsOf(pattern));
    expect(again.isNew).toBe(false);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("keeps only what was asked for, so that it does not grow with every rule set", () => {
    written();
    const next = readKnown(file);
    next.facts(PATTERNS[0]!);
    next.facts({ source: "new", flags: "" });
    expect(next.isNew).toBe(true);
    writeKnown(file, next);
    const third = readKnown(file);
    third.facts({ source: "new", flags: "" });
    expect(third.isNew).toBe(false);
    third.facts(PATTERNS[1]!);
    expect(third.isNew).toBe(true);
  });

  it("is not believed when a single octet is another", () => {
    written();
    const whole = readFileSync(file);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const other = Buffer.from(whole);
        other[at]! ^= change;
        writeFileSync(file, other);
        const known = readKnown(file);
        known.facts(PATTERNS[0]!);
        expect(known.isNew).toBe(true);
      }),
    );
    for (const text of ["", "x", "\n", "[]", whole.subarray(0, 70).toString("latin1")]) {
      writeFileSync(file, text, "latin1");
      expect(() => readKnown(file).facts(PATTERNS[0]!)).not.toThrow();
    }
  });

  it("does without where it cannot be written", () => {
    const known = new KnownPatterns();
    known.facts(PATTERNS[0]!);
    expect(() => writeKnown(join(dir, "missing", "file"), known)).not.toThrow();
    expect(readdirSync(dir)).toEqual([]);
  });
});
