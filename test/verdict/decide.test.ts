import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, findingsOf } from "../../src/verdict/decide.ts";
import { CATEGORIES, type Category, type Finding } from "../../src/verdict/finding.ts";
import {
  STOPS,
  type Disposition,
  type Fate,
  type FateName,
  type Policy,
} from "../../src/verdict/policy.ts";

const fate = (disposition: Disposition, more: Partial<Fate> = {}): Fate => ({
  disposition,
  quarantine: false,
  folder: null,
  notices: [],
  onlyIf: null,
  rule: "rules/policy.rules:1",
  ...more,
});

const policy = (fates: Partial<Record<FateName, readonly Fate[]>> = {}): Policy => ({
  fates: {
    virus: [fate("reject", { quarantine: true })],
    banned: [fate("bounce", { onlyIf: "auth" }), fate("discard", { quarantine: true })],
    listed: [fate("tag")],
    unchecked: [fate("accept")],
    greylisted: [fate("tempfail")],
    spam: [fate("discard")],
    spammy: [fate("tag", { folder: "Junk" })],
    malformed: [fate("tag")],
    ...fates,
  },
  unchecked: new Map([["virus", [fate("tempfail")]]]),
  tagLevel: null,
  tag2Level: 5,
  killLevel: 10,
  subjectTag: null,
});

const finding = (category: Category, more: Partial<Finding> = {}): Finding => ({
  check: category,
  symbol: category.toUpperCase(),
  category,
  score: 0,
  detail: "",
  ...more,
});

describe("decide", () => {
  it.each<[string, Finding[], Disposition, string, boolean]>([
    ["nothing", [], "accept", "clean", false],
    ["a note", [finding("note")], "accept", "clean", false],
    ["virus before banned", [finding("banned"), finding("virus")], "reject", "virus", true],
    ["banned alone, not authenticated", [finding("banned")], "discard", "banned", true],
    [
      "banned, authenticated",
      [finding("banned"), finding("note", { symbol: "DKIM_PASS" })],
      "bounce",
      "banned",
      false,
    ],
    [
      "banned, authenticated but bulk",
      [
        finding("banned"),
        finding("note", { symbol: "DKIM_PASS" }),
        finding("note", { symbol: "BULK" }),
      ],
      "discard",
      "banned",
      true,
    ],
    ["below tag2", [finding("spam", { score: 4.999 })], "accept", "clean", false],
    [
      "at tag2",
      [finding("spam", { score: 2.5 }), finding("spam", { symbol: "B", score: 2.5 })],
      "tag",
      "spammy",
      false,
    ],
    ["at kill", [finding("spam", { score: 10 })], "discard", "spam", false],
    ["unchecked virus", [finding("unchecked", { check: "virus" })], "tempfail", "unchecked", false],
    ["unchecked other", [finding("unchecked", { check: "dnsxl" })], "accept", "unchecked", false],
    [
      "a tag does not stop a later stop",
      [finding("listed"), finding("spam", { score: 11 })],
      "discard",
      "spam",
      false,
    ],
  ])("%s", (_name, findings, disposition, category, quarantine) => {
    const verdict = decide(findings, policy());
    expect([verdict.disposition, verdict.category, verdict.quarantine]).toEqual([
      disposition,
      category,
      quarantine,
    ]);
  });

  it("gives the folder only to a message that goes on", () => {
    expect(decide([finding("spam", { score: 6 })], policy()).folder).toBe("Junk");
    expect(decide([finding("spam", { score: 6 }), finding("virus")], policy()).folder).toBeNull();
  });

  it("names the weightiest finding of a spam verdict", () => {
    const because = decide(
      [finding("spam", { symbol: "A", score: 1 }), finding("spam", { symbol: "Z", score: 9 })],
      policy(),
    ).because;
    expect(because?.symbol).toBe("Z");
  });
});

describe("findingsOf", () => {
  const address = (raw: string) => ({ raw, local: raw, domain: "" });
  it("drops what an allow line waives, for its recipient only", () => {
    const all = [
      finding("spam", { score: 20 }),
      finding("note", { symbol: "ALLOW", waives: ["spam"], recipient: address("a@x") }),
    ];
    expect(decide(findingsOf("a@x", all), policy()).disposition).toBe("accept");
    expect(decide(findingsOf("b@x", all), policy()).disposition).toBe("discard");
  });
});

describe("laws", () => {
  const anyFinding = fc.record({
    check: fc.constantFrom("virus", "spam", "dnsxl"),
    symbol: fc.constantFrom("A", "B", "DKIM_PASS", "BULK"),
    category: fc.constantFrom(...CATEGORIES),
    score: fc.double({ min: 0, max: 12, noNaN: true }),
    detail: fc.constantFrom("x", "y"),
  });
  const anyFates = fc.constantFrom<readonly Fate[]>(
    [fate("accept")],
    [fate("tag", { folder: "Junk" })],
    [fate("discard", { quarantine: true })],
    [fate("reject")],
    [fate("tempfail")],
    [],
  );
  const anyPolicy = fc
    .record({
      virus: anyFates,
      banned: anyFates,
      listed: anyFates,
      unchecked: anyFates,
      greylisted: anyFates,
      spam: anyFates,
      malformed: anyFates,
    })
    // Rising levels must not soften: the law below is about policies in which kill is at least as strict as tag2.
    .map((fates) => policy({ ...fates, spammy: [fate("tag")], spam: [fate("reject")] }));

  it("does not depend on the order of the findings", () => {
    fc.assert(
      fc.property(
        fc
          .array(anyFinding, { maxLength: 8 })
          .chain((list) =>
            fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
          ),
        anyPolicy,
        ([list, shuffled], p) => {
          expect(decide(shuffled, p)).toEqual(decide(list, p));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("stopped stays stopped and quarantined stays quarantined when something is added", () => {
    fc.assert(
      fc.property(
        fc.array(anyFinding, { maxLength: 6 }),
        anyFinding,
        anyPolicy,
        (list, extra, p) => {
          const before = decide(list, p);
          const after = decide([...list, extra], p);
          if (STOPS[before.disposition]) expect(STOPS[after.disposition]).toBe(true);
          if (before.quarantine) expect(after.quarantine).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
