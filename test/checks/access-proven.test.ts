// Allow lines that ask for proof: what `access` leaves open, and what `proven` makes of it once the auth check has answered.
import { describe, expect, it, test } from "vitest";
import { access, accessAtRcpt, accessProven } from "../../src/checks/access.ts";
import { detailOf } from "../../src/checks/auth-results.ts";
import { checksOf } from "../../src/checks/index.ts";
import { judge } from "../../src/engine/judge.ts";
import { compileRules, type RuleSet } from "../../src/ruleset/compile.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import { address, message, tree } from "../fakes/message.ts";
import { answering } from "../fakes/dns-answers.ts";

const signal = new AbortController().signal;

function rulesOf(senders: string, more: Record<string, string> = {}): RuleSet {
  const source = new Map(Object.entries({ "senders.rules": senders, ...more }));
  const compiled = compileRules(source, { modes: [], hasOutgoing: false });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  return compiled.ok;
}

/** "dkim=example.org spf=x.example" → findings of the auth check. */
function proofs(text: string): readonly Finding[] {
  const properties: Record<string, string> = {
    dkim: "header.d",
    spf: "smtp.mailfrom",
    dmarc: "header.from",
  };
  return text
    .split(" ")
    .filter((part) => part !== "")
    .map((part) => {
      const [method = "", domain = ""] = part.split("=");
      const detail = detailOf(method, "pass", null, [[properties[method] ?? "", domain]]);
      return { check: "auth", symbol: "X", category: "note", score: 0, detail };
    });
}

async function outcome(senders: string, sender: string, from: string, proven: string) {
  const rules = rulesOf(senders);
  const of = message({ sender, header: `From: ${from}\r\n\r\n` });
  const known = await access(rules).run(of, { findings: [], signal });
  const later = await accessProven(rules).run(of, { findings: proofs(proven), signal });
  const name = (found: readonly Finding[]): string =>
    found.map(({ symbol }) => symbol.replace("ACCESS_", "")).join(" ");
  return `${name(known)}|${name(later)}`;
}

const A = "a@example.org";
describe("allow … if", () => {
  test.each<[string, string, string, string, string]>([
    ["allow example.org if dkim", A, A, "dkim=example.org", "|ALLOW"],
    ["allow example.org if dkim", A, A, "dkim=mail.example.org", "|ALLOW"],
    ["allow .example.org if dkim", "a@m.example.org", A, "dkim=example.org", "|ALLOW"],
    ["allow example.org if dkim", A, A, "dkim=example.net", "|"],
    ["allow example.org if dkim", A, A, "dkim=notexample.org", "|"],
    ["allow example.org if dkim", A, A, "spf=example.org", "|"],
    ["allow example.org if dkim", A, A, "", "|"],
    ["allow example.org if spf", A, A, "spf=example.org", "|ALLOW"],
    ["allow example.org if dmarc", A, A, "dmarc=example.org", "|ALLOW"],
    ["allow example.org if auth", A, A, "spf=example.org", "|ALLOW"],
    ["allow example.org if auth", A, A, "dkim=example.net dmarc=x.example", "|"],
    // A public suffix is nobody's organisation.
    ["allow .co.uk if dkim", "a@x.co.uk", "a@x.co.uk", "dkim=y.co.uk", "|"],
    ["allow .co.uk if dkim", "a@x.co.uk", "a@x.co.uk", "dkim=co.uk", "|"],
    ["allow <> if auth", "", A, "dkim=example.org", "|"],
    // The sender that matched must be the one that is proven.
    ["allow example.org if dkim", "x@evil.example", A, "dkim=evil.example", "|"],
    ["allow example.org if dkim", "x@list.example", A, "dkim=example.org", "|ALLOW"],
    ["allow example.org if dkim", A, "x@evil.example", "dkim=evil.example", "|"],
    ["allow /./ if dkim", A, "a@example.org, b@example.net", "dkim=example.net", "|"],
    ["allow /./ if dkim", A, "a@example.org, b@example.net", "dkim=example.org", "|ALLOW"],
    // First match wins, and a line that does not hold is none.
    ["allow example.org if dkim\ndeny example.org", A, A, "dkim=example.org", "|ALLOW"],
    ["allow example.org if dkim\ndeny example.org", A, A, "", "|DENY"],
    ["deny example.org\nallow example.org if dkim", A, A, "dkim=example.org", "DENY|"],
    ["allow example.org\nallow example.org if dkim", A, A, "", "ALLOW|"],
    ["allow example.org if dkim\nallow .org if spf\nallow /./", A, A, "", "|ALLOW"],
    ["allow example.net if dkim\nallow example.org", A, A, "", "ALLOW|"],
  ])("%j, <%s>, From: %s, %s: %s", async (lines, sender, from, proven, expected) => {
    expect(await outcome(lines, sender, from, proven)).toBe(expected);
  });

  it("says nothing at RCPT", async () => {
    const question = {
      client: message({}).envelope.client,
      login: null,
      sender: address(A),
      recipient: null,
      recipientCount: 1,
      size: 0,
      state: "RCPT",
      instance: "",
      context: "",
      origin: "inbound" as const,
    };
    const rules = rulesOf("allow example.org if spf\ndeny example.org");
    expect(await accessAtRcpt(rules).run(question, { findings: [], signal })).toEqual([]);
  });

  it("keeps category, line and text, and waives what the line says", async () => {
    const rules = rulesOf('allow example.org "a partner" if dkim skip banned');
    const of = message({ sender: A });
    const [found] = await accessProven(rules).run(of, {
      findings: proofs("dkim=example.org"),
      signal,
    });
    expect(found).toMatchObject({
      check: "proven",
      symbol: "ACCESS_ALLOW",
      category: "note",
      waives: ["banned"],
      rule: "rules/senders.rules:1",
      detail: "sender <a@example.org>: a partner",
    });
  });
});

test.each([
  ["senders.rules", "allow example.org if dkin", /did you mean|dkim/],
  ["senders.rules", "allow example.org if dkim,spf", /one condition is enough/],
  ["senders.rules", "deny example.org if dkim", /takes no "if"/],
  ["clients.rules", "allow 192.0.2.1 if dkim", /takes no "if"/],
  ["recipients.rules", "allow a@example.org if dkim", /takes no "if"/],
])("%s: %s is an error", (file, line, expected) => {
  const compiled = compileRules(new Map([[file, line]]), { modes: [], hasOutgoing: false });
  expect("errors" in compiled ? compiled.errors[0]?.message : "").toMatch(expected);
});

it("is asked even when a deny line for the client has settled the verdict", async () => {
  const rules = rulesOf("allow example.org if spf", {
    "clients.rules": "deny 192.0.2.7",
    "policy.rules": "fate listed any any reject",
  });
  const of = message({ sender: A, client: { address: "192.0.2.7" }, tree: tree({}) });
  const verdictOf = async (record: string): Promise<string | undefined> => {
    const resolver = answering({ "TXT example.org": [record] });
    const bench = { rules, checks: checksOf(rules, { resolver }) };
    const options = { isLocal: () => true, checkDeadlineMs: 2_000, signal };
    return (await judge(of, bench, options)).judged[0]?.verdict.disposition;
  };
  expect(await verdictOf("v=spf1 ip4:192.0.2.7 -all")).toBe("accept");
  expect(await verdictOf("v=spf1 -all")).toBe("reject");
  // Everybody passes: that proves nothing.
  expect(await verdictOf("v=spf1 +all")).toBe("reject");
});
