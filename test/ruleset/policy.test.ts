import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRules } from "../../src/ruleset/compile.ts";
import type { RuleFacts, RuleSet } from "../../src/ruleset/compile.ts";
import { errorText } from "../../src/ruleset/errors.ts";
import { address } from "../fakes/message.ts";

const FACTS: RuleFacts = { modes: ["after-queue", "before-queue"], hasOutgoing: true };

function compile(files: Record<string, string>, facts: Partial<RuleFacts> = {}) {
  const compiled = compileRules(new Map(Object.entries(files)), { ...FACTS, ...facts });
  return "errors" in compiled
    ? { errors: compiled.errors.map(errorText), warnings: [], rules: null as unknown as RuleSet }
    : { errors: [], warnings: compiled.warnings.map(errorText), rules: compiled.ok };
}

const policy = (text: string, facts: Partial<RuleFacts> = {}) =>
  compile({ "policy.rules": text }, facts);
const INBOUND = { mode: "before-queue", direction: "inbound" } as const;
const spam = (rules: RuleSet, to: string) =>
  rules.policyOf(address(to), INBOUND).fates.spam.map(({ disposition }) => disposition);

describe("one line per profile", () => {
  const { rules, errors } = policy(`
    fate spam any any reject keep
    level kill 10
    for boss@example.com kill=20 tag2=8 tag=never banned="discard keep notice=recipient" subject-tag="[SPAM] "
    for example.com spam="tag folder=\\"My Junk\\"" unchecked.virus=accept
    for example.com boss@ spam=discard kill=1
    for .example.org mode=after-queue spam=accept
    for .example.org direction=outbound spam=bounce`);

  test("every setting comes from the first line that names it", () => {
    expect(errors).toEqual([]);
    const boss = rules.policyOf(address("boss@example.com"), INBOUND);
    expect(boss).toMatchObject({
      killLevel: 20,
      tag2Level: 8,
      tagLevel: null,
      subjectTag: "[SPAM] ",
    });
    expect(boss.fates.spam).toMatchObject([
      { disposition: "tag", folder: "My Junk", rule: "rules/policy.rules:5" },
    ]);
    expect(boss.fates.banned).toMatchObject([
      { disposition: "discard", quarantine: true, notices: ["recipient"] },
    ]);
    expect(boss.unchecked.get("virus")).toMatchObject([{ disposition: "accept" }]);
  });

  test.each([
    ["u@example.com", ["tag"]],
    ["boss@other.example", ["discard"]],
    ["u@other.example", ["reject"]],
    ["u@sub.example.org", ["reject"]],
  ])("%s: spam is %j", (to, expected) => {
    expect(spam(rules, to)).toEqual(expected);
  });

  test("mode and direction limit a line", () => {
    const at = (mode: "after-queue" | "before-queue", direction: "inbound" | "outbound") =>
      rules.policyOf(address("u@example.org"), { mode, direction }).fates.spam[0]?.disposition;
    expect(at("after-queue", "inbound")).toBe("accept");
    expect(at("after-queue", "outbound")).toBe("accept");
    expect(at("before-queue", "outbound")).toBe("bounce");
  });

  test("recipients under the same lines share one object", () => {
    expect(rules.policyOf(address("x@a.example"), INBOUND)).toBe(
      rules.policyOf(address("y@b.example"), { ...INBOUND }),
    );
    expect(rules.policyOf(address("x@a.example"), INBOUND)).not.toBe(
      rules.policyOf(address("x@example.com"), INBOUND),
    );
  });
});

describe("keep to=", () => {
  test("the first line about a category holds; the quarantine is the default", () => {
    const { rules, errors } = policy(`
      keep virus to=admin+rejected/malware@example.com
      keep spam to=store
      keep any to=spam@example.com`);
    expect(errors).toEqual([]);
    const { keepTo } = rules.policyOf(address("u@example.com"), INBOUND);
    expect(keepTo?.get("virus")).toBe("admin+rejected/malware@example.com");
    expect(keepTo?.get("spam")).toBeUndefined();
    expect(keepTo?.get("banned")).toBe("spam@example.com");
    expect(
      policy("keep any to=store").rules.policyOf(address("u@x"), INBOUND).keepTo,
    ).toBeUndefined();
  });
  test.each([
    ["keep virus", "to= is missing"],
    ["keep virsu to=store", 'no category; did you mean "virus"?'],
    ["keep virus to=admin", "no address with a domain"],
    ['keep virus to="a@b\\x00"', ""],
    ["keep virus to=<a@example.com>", ""],
  ])("%s", (line, message) => {
    expect(JSON.stringify(policy(line).errors)).toContain(message.replaceAll('"', '\\"'));
    expect(policy(line).errors).not.toEqual([]);
  });
});

describe("order", () => {
  test("local.d comes first, `for` before everyone", () => {
    const { rules } = compile({
      "policy.rules": "fate spam any any reject\nfor abuse@ spam=tag",
      "local.d/policy.rules": "fate spam any any discard\nlevel kill 3",
    });
    expect(spam(rules, "u@x.example")).toEqual(["discard"]);
    expect(spam(rules, "abuse@x.example")).toEqual(["tag"]);
    expect(rules.policyOf(address("u@x.example"), INBOUND).killLevel).toBe(3);
  });

  test("conditional fates stand before the first that always holds, and nothing after it", () => {
    const { rules } = policy(
      "fate spam any any bounce if auth\nfate spam any any tag\nfate spam any any reject",
    );
    expect(rules.policyOf(address("u@x.example"), INBOUND).fates.spam).toMatchObject([
      { disposition: "bounce", onlyIf: "auth" },
      { disposition: "tag", onlyIf: null },
    ]);
  });

  test("without [outgoing] a line that depends on it does not exist", () => {
    const text =
      "fate spam any any bounce if outgoing\nfor a@ b@ spam=bounce if outgoing\nfor b@ spam=discard\nfate spam any any tag";
    const without = policy(text, { hasOutgoing: false });
    expect(without.errors).toEqual([]);
    expect(spam(without.rules, "a@x.example")).toEqual(["tag"]);
    expect(spam(without.rules, "b@x.example")).toEqual(["discard"]);
    expect(spam(policy(text).rules, "b@x.example")).toEqual(["bounce"]);
  });
});

describe("complaints", () => {
  test.each([
    [
      "fate spam any any bounce",
      "rules/policy.rules:1: bounce needs [outgoing] in postern.toml; configure it, or end the line in `if outgoing`",
    ],
    ["fate spam any any bounce if auth", "bounce needs [outgoing]"],
    ["for a@ spam=bounce", "bounce needs [outgoing]"],
    ["fate span any any tag", '"span" is no category; did you mean "spam"?'],
    ["fate note any any tag", '"note" is no category; possible here: virus'],
    ["fate spam befor-queue any tag", '"befor-queue" is no mode; did you mean "before-queue"?'],
    ["fate spam any in tag", '"in" is no direction'],
    ["fate spam any any rejct", '"rejct" is no disposition; did you mean "reject"?'],
    ["fate spam any any reject kep", '"kep" cannot follow "reject"; did you mean "keep"?'],
    ['fate spam any any reject folder="Junk"', "folder= fits accept and tag only, not reject"],
    ['fate spam any any tag folder=""', "folder= must be 1 to 100 characters"],
    [
      "fate spam any any tag notice=admin",
      '"admin" cannot be notified; possible here: postmaster, recipient',
    ],
    ["fate spam any any tag if dkim", '"dkim" cannot follow "if"'],
    ["level kil 3", '"kil" is no level; did you mean "kill"?'],
    ["level kill many", '"many" is no level: a number or never'],
    ["level kill always", '"always" is no level: a number or never'],
    ["subject-tag on", 'write subject-tag "TEXT" or subject-tag off'],
    ["for a@", "the line sets nothing"],
    ["for a@ mode=any", "the line sets nothing"],
    ["for @x kill=3", '"@x" has no local part'],
    ["for a@ kil=3", 'unknown option "kil"; did you mean "kill"?'],
    ['for a@ spam="reject if auth"', 'spam=: "reject" takes no "if" here'],
    ['for a@ spam=""', "spam=: a disposition is missing"],
    ["for a@ mode=x kill=3", "mode=x is unknown"],
  ])("%s → %s", (line, message) => {
    const { errors } = policy(line, { hasOutgoing: false });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(message);
  });

  test.each<[string, Partial<RuleFacts>, string[]]>([
    ["fate virus any inbound reject", {}, ["reject on an after-queue listener"]],
    ["for a@ virus=reject", {}, ["reject on an after-queue listener"]],
    ["fate virus any inbound reject", { modes: ["before-queue"] }, []],
    ["fate virus after-queue outbound reject", {}, []],
    [
      "unchecked vrius any any tag",
      { checks: ["virus"] },
      ['no check is called "vrius"; did you mean "virus"?'],
    ],
    ["unchecked vrius any any tag", {}, []],
  ])("%s with %o warns of %j", (line, facts, expected) => {
    const { warnings } = policy(line, facts);
    expect(warnings).toHaveLength(expected.length);
    expected.forEach((text, i) => expect(warnings[i]).toContain(text));
  });

  test("scores, stray files and an empty policy", () => {
    const facts = { symbols: ["GTUBE"] };
    const { rules, warnings } = compile(
      {
        "scores.rules": "score GTUBE 7\nscore GTUBE 8\nscore GTUBB -1.5\nscore HTML_MESSAGE 1",
        "local.d/polcy.rules": "x",
      },
      facts,
    );
    expect([rules.scoreOf("GTUBE"), rules.scoreOf("GTUBB"), rules.scoreOf("X")]).toEqual([
      7,
      -1.5,
      undefined,
    ]);
    expect(warnings).toEqual([
      'rules/scores.rules:3: no check reports "GTUBB"; did you mean "GTUBE"?',
      'rules/scores.rules:4: no check reports "HTML_MESSAGE"; a rule of SpamAssassin\'s is spamd:HTML_MESSAGE here',
      "rules/local.d/polcy.rules: no such rule file is read; did you mean policy.rules?",
      "rules/policy.rules: missing or empty: every message is accepted",
    ]);
    expect(compile({ "scores.rules": "score gtube 7\nscore A x" }).errors).toHaveLength(2);
  });
});

test("the version names the source, but for its cases", () => {
  const version = (files: Record<string, string>) => compile(files).rules.version;
  const base = version({ "policy.rules": "level kill 3" });
  expect(base).toMatch(/^[0-9a-f]{10}$/);
  expect(version({ "policy.rules": "level kill 3", "cases/a.case": "x" })).toBe(base);
  expect(version({ "policy.rules": "level kill 4" })).not.toBe(base);
  expect(version({ "local.d/policy.rules": "level kill 3" })).not.toBe(base);
});

test("whatever stands in the files, compiling gives rules or errors", () => {
  const words = [
    "fate",
    "for",
    "level",
    "unchecked",
    "score",
    "allow",
    "deny",
    "spam",
    "any",
    "reject",
    "keep",
    "kill",
    "tag=",
    "if",
    "auth",
    "skip",
    "*",
    "*.exe",
    ".zip",
    "10.0.0.0/8",
    "/a(/",
    "/a{9,1}/",
    '"t"',
    "a@",
    'spam="tag keep"',
    "X",
    "3",
  ];
  const line = fc
    .array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: "binary", maxLength: 8 })), {
      maxLength: 8,
    })
    .map((list) => list.join(" "));
  const text = fc.array(line, { maxLength: 5 }).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, text, text, text, text, (a, b, c, d, e) => {
      const source = new Map([
        ["policy.rules", a],
        ["scores.rules", b],
        ["clients.rules", c],
        ["local.d/senders.rules", d],
        ["banned.rules", e],
      ]);
      const compiled = compileRules(source, { modes: ["after-queue"], hasOutgoing: false });
      if ("errors" in compiled) {
        expect(compiled.errors.length).toBeGreaterThan(0);
        return;
      }
      compiled.ok.policyOf(address("a@b.example"), INBOUND);
      compiled.ok.banned.first({ type: "a/b", kinds: ["zip"], names: [a], attributes: [] });
      compiled.ok.show();
    }),
    { numRuns: 1500 },
  );
});
