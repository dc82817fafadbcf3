// The rule files that ship: they compile without a word, say what the table of default fates says, and every case passes.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { checksOf, symbolTable } from "../../src/checks/index.ts";
import { readTree } from "../../src/content/tree.ts";
import { DEFAULT_MAX_HEADER_BYTES, parseHeader } from "../../src/mail/header.ts";
import type { Message } from "../../src/mail/message.ts";
import { casesOf, runCase } from "../../src/ruleset/cases.ts";
import type { CaseJudge } from "../../src/ruleset/cases.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import type { RuleSet } from "../../src/ruleset/compile.ts";
import { readRules } from "../../src/ruleset/source.ts";
import type { RuleSource } from "../../src/ruleset/source.ts";
import { decide, findingsOf } from "../../src/verdict/decide.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import type { FateName } from "../../src/verdict/policy.ts";
import { address, message } from "../fakes/message.ts";

const source = await shippedSource();

async function shippedSource(): Promise<RuleSource> {
  const read = await readRules(fileURLToPath(new URL("../../rules", import.meta.url)));
  if ("errors" in read) throw new Error("rules/ cannot be read");
  return read.ok;
}

function shipped(hasOutgoing: boolean, more: Record<string, string> = {}): RuleSet {
  const compiled = compileRules(new Map([...source, ...Object.entries(more)]), {
    modes: ["after-queue", "before-queue"],
    hasOutgoing,
    symbols: symbolTable().map(({ symbol }) => symbol),
  });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  expect(compiled.warnings).toEqual([]);
  return compiled.ok;
}

/** One word per fate: "discard+keep>postmaster", "tag@Junk", "bounce+keep?auth". */
function cell(rules: RuleSet, name: FateName, place: string, to = "user@example.net"): string {
  const [mode, direction] = place.split(" ") as [
    "after-queue" | "before-queue",
    "inbound" | "outbound",
  ];
  return rules
    .policyOf(address(to), { mode, direction })
    .fates[name].map(
      (fate) =>
        fate.disposition +
        (fate.quarantine ? "+keep" : "") +
        (fate.folder === null ? "" : `@${fate.folder}`) +
        fate.notices.map((notice) => `>${notice}`).join("") +
        (fate.onlyIf === null ? "" : `?${fate.onlyIf}`),
    )
    .join(" ");
}

const PLACES = [
  "before-queue inbound",
  "after-queue inbound",
  "before-queue outbound",
  "after-queue outbound",
];

describe("shipped policy", () => {
  test.each<[FateName, boolean, string, string, string, string]>([
    ["virus", true, "reject+keep", "discard+keep>postmaster", "reject", "bounce+keep"],
    ["virus", false, "reject+keep", "discard+keep>postmaster", "reject", "reject"],
    [
      "banned",
      true,
      "reject+keep",
      "bounce+keep?auth discard+keep>recipient",
      "reject",
      "bounce+keep",
    ],
    ["banned", false, "reject+keep", "discard+keep>recipient", "reject", "reject"],
    ["spammy", true, "tag@Junk", "tag@Junk", "accept", "accept"],
    ["spam", true, "reject+keep", "tag@Junk", "tempfail>postmaster", "tempfail>postmaster"],
    ["listed", true, "tag", "tag", "accept", "accept"],
    ["malformed", true, "tag", "tag", "accept", "accept"],
    ["greylisted", true, "tempfail", "accept", "accept", "accept"],
    ["unchecked", true, "accept", "accept", "accept", "accept"],
  ])("%s, [outgoing] %s", (name, hasOutgoing, ...cells) => {
    const rules = shipped(hasOutgoing);
    expect(PLACES.map((place) => cell(rules, name, place))).toEqual(cells);
  });

  test("an unanswered virus check holds the mail back everywhere", () => {
    for (const mode of ["after-queue", "before-queue"] as const)
      for (const direction of ["inbound", "outbound"] as const) {
        const policy = shipped(true).policyOf(address("u@example.net"), { mode, direction });
        expect(policy.unchecked.get("virus")?.[0]?.disposition).toBe("tempfail");
        expect(policy).toMatchObject({
          tagLevel: -Infinity,
          tag2Level: 5,
          killLevel: 10,
          subjectTag: null,
        });
      }
  });

  test.each(["postmaster@example.net", "Abuse@example.net", "postmaster"])("%s is spared", (to) => {
    const rules = shipped(true);
    expect(cell(rules, "spam", "before-queue inbound", to)).toBe("tag");
    expect(cell(rules, "greylisted", "before-queue inbound", to)).toBe("accept");
    expect(cell(rules, "virus", "before-queue inbound", to)).toBe("reject+keep");
    expect(cell(rules, "spam", "before-queue outbound", to)).toBe("tempfail>postmaster");
  });

  test("every symbol has a line in scores.rules with its default", () => {
    const rules = shipped(true);
    for (const { symbol, score } of symbolTable())
      expect([symbol, rules.scoreOf(symbol)]).toEqual([symbol, score]);
  });

  test("show names every line once, local.d first", () => {
    const lines = shipped(false, { "local.d/policy.rules": "level kill 8\n" }).show();
    expect(lines[0]).toBe("rules/local.d/policy.rules:1  level kill 8");
    expect(lines.filter((line) => line.includes("# off: no [outgoing]"))).toHaveLength(3);
  });
});

describe("shipped cases", () => {
  const rules = shipped(true);
  const { cases, errors } = casesOf(source);

  test("all of them can be read", () => {
    expect(errors).toEqual([]);
    expect(cases.length).toBeGreaterThanOrEqual(12);
  });

  test.each(cases.map((one) => [one.file, one] as const))("%s", async (_, one) => {
    expect(await runCase(one, judge(rules))).toEqual([]);
  });

  test("GTUBE below the kill level lies in Junk", async () => {
    const lower = shipped(true, { "local.d/scores.rules": "score GTUBE 7\n" });
    const gtube = cases.find(({ file }) => file.endsWith("gtube-before-queue.case"));
    const outcomes = await judge(lower)(gtube!.facts, gtube!.message);
    expect(outcomes).toMatchObject([{ disposition: "tag", category: "spammy", folder: "Junk" }]);
  });
});

describe("the operator's own lines over the shipped ones", () => {
  const plain = casesOf(source).cases.find(({ file }) => file.endsWith("/ordinary.case"))!;
  const gtube = casesOf(source).cases.find(({ file }) =>
    file.endsWith("/gtube-before-queue.case"),
  )!;
  test.each([
    [
      "senders.rules",
      "deny example.org",
      plain,
      "before-queue",
      { disposition: "reject", category: "spam", folder: null },
    ],
    [
      "senders.rules",
      "deny example.org",
      plain,
      "after-queue",
      { disposition: "tag", folder: "Junk" },
    ],
    ["clients.rules", "deny 192.0.2.0/24", plain, "before-queue", { disposition: "reject" }],
    ["recipients.rules", "deny user@", plain, "before-queue", { disposition: "reject" }],
    [
      "scores.rules",
      "score ACCESS_DENY 0",
      plain,
      "before-queue",
      { disposition: "accept", category: "clean" },
    ],
    [
      "senders.rules",
      "allow example.org",
      gtube,
      "before-queue",
      { disposition: "accept", category: "clean" },
    ],
    [
      "senders.rules",
      "allow example.org skip listed",
      gtube,
      "before-queue",
      { disposition: "reject" },
    ],
    [
      "policy.rules",
      "for .example.net spam=accept",
      gtube,
      "before-queue",
      { disposition: "accept" },
    ],
  ] as const)("local.d/%s: %s", async (name, line, { facts, message }, mode, expected) => {
    const rules = shipped(true, { [`local.d/${name}`]: line });
    expect(await judge(rules)({ ...facts, mode }, message)).toMatchObject([expected]);
  });
});

function judge(rules: RuleSet): CaseJudge {
  return async (facts, octets) => {
    const body: Message["body"] = {
      size: octets.length,
      bytes: [octets],
      open: () => [octets] as never,
    };
    const tree = await readTree(body);
    const fake = message({
      client: facts.client,
      sender: facts.sender ?? "",
      recipients: facts.recipients,
      mode: facts.mode,
      origin: facts.origin,
      tree,
    });
    const subject = {
      ...fake,
      body,
      header: parseHeader(octets, { maxBytes: DEFAULT_MAX_HEADER_BYTES }).header,
    };
    const found: Finding[] = [];
    for (const check of checksOf(rules))
      found.push(
        ...(await check.run(subject, { findings: found, signal: AbortSignal.timeout(10_000) })),
      );
    return facts.recipients.map((recipient) => {
      const place = { mode: facts.mode, direction: facts.origin };
      const verdict = decide(
        findingsOf(recipient, found),
        rules.policyOf(address(recipient), place),
      );
      const symbols = verdict.findings.map(({ symbol }) => symbol);
      return { ...verdict, recipient, symbols };
    });
  };
}
