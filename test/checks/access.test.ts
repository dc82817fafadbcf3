import { describe, expect, test } from "vitest";
import { access } from "../../src/checks/access.ts";
import { authorsOf } from "../../src/checks/authors.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { message } from "../fakes/message.ts";
import type { MessageFacts } from "../fakes/message.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

async function findings(files: Record<string, string>, facts: MessageFacts) {
  const compiled = compileRules(new Map(Object.entries(files)), { modes: [], hasOutgoing: false });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  const so = { findings: [], signal: new AbortController().signal };
  return access(compiled.ok).run(message(facts), so);
}

const from = (value: string) => `From: ${value}\r\nSubject: x\r\n\r\n`;

describe("senders", () => {
  test.each<[string, string, string, string]>([
    ["deny spam.example", "a@spam.example", "b@other.example", "DENY"],
    ["deny spam.example", "b@other.example", "A <a@spam.example>", "DENY"],
    ["deny spam.example", "b@other.example", "c@other.example, a@spam.example", "DENY"],
    ["deny spam.example", "b@other.example", "b@other.example", ""],
    ["allow ok.example", "a@ok.example", "evil@other.example", "ALLOW"],
    ["allow ok.example", "b@other.example", "a@ok.example", "ALLOW"],
    ["allow ok.example", "b@other.example", "a@ok.example, b@ok.example", "ALLOW"],
    ["allow ok.example", "b@other.example", "a@ok.example, b@other.example", ""],
    ["allow ok.example\ndeny other.example", "b@other.example", "a@ok.example", "ALLOW"],
    ["deny other.example\nallow ok.example", "b@other.example", "a@ok.example", "DENY"],
    [
      "allow ok.example\ndeny other.example",
      "x@y.example",
      "a@ok.example, b@other.example",
      "DENY",
    ],
    ["deny <>", "", "a@ok.example", "DENY"],
    ["allow <>", "", "a@ok.example", "ALLOW"],
    ["deny /./", "", "", ""],
  ])("%j, envelope <%s>, From: %s → %s", async (rules, sender, author, expected) => {
    const found = await findings({ "senders.rules": rules }, { sender, header: from(author) });
    expect(found.map(({ symbol }) => symbol.replace("ACCESS_", "")).join(" ")).toBe(expected);
  });

  test("a second From: field hides nothing", async () => {
    const header = "From: a@ok.example\r\nFROM: b@spam.example\r\n\r\n";
    expect(await findings({ "senders.rules": "deny spam.example" }, { header })).toHaveLength(1);
  });
});

describe("findings", () => {
  test("deny: category, texts, line", async () => {
    const rules = {
      "clients.rules": '\ndeny 192.0.2.0/24 "attack in May" "Blocked, call us"',
      "scores.rules": "score ACCESS_DENY 3",
    };
    expect(await findings(rules, { client: { address: "192.0.2.9" } })).toEqual([
      {
        check: "access",
        symbol: "ACCESS_DENY",
        category: "listed",
        score: 3,
        detail: "client 192.0.2.9: attack in May",
        rule: "rules/clients.rules:2",
        say: "Blocked, call us",
      },
    ]);
  });

  test.each([
    ["allow *", ["listed", "greylisted", "spam"]],
    ["allow * skip greylist,banned", ["banned", "greylisted"]],
    ["allow * skip virus,unchecked,malformed", ["virus", "unchecked", "malformed"]],
  ])("%s waives %j", async (rules, waives) => {
    expect(await findings({ "clients.rules": rules }, {})).toMatchObject([
      { symbol: "ACCESS_ALLOW", category: "note", waives },
    ]);
  });

  test("local.d is read first, and each list gives one finding", async () => {
    const rules = {
      "clients.rules": "deny *",
      "local.d/clients.rules": "allow 192.0.2.1",
      "senders.rules": "deny example.org",
      "recipients.rules": "allow a@ skip spam\ndeny b@",
    };
    const recipients = ["a@example.net", "b@example.net", "c@example.net", "a@example.net"];
    const found = await findings(rules, { client: { address: "192.0.2.1" }, recipients });
    expect(found.map(({ symbol, recipient, rule }) => [symbol, recipient?.raw, rule])).toEqual([
      ["ACCESS_ALLOW", undefined, "rules/local.d/clients.rules:1"],
      ["ACCESS_DENY", undefined, "rules/senders.rules:1"],
      ["ACCESS_ALLOW", "a@example.net", "rules/recipients.rules:1"],
      ["ACCESS_DENY", "b@example.net", "rules/recipients.rules:2"],
    ]);
  });

  test("without lines there are none", async () => {
    expect(await findings({}, { client: { address: "192.0.2.1" } })).toEqual([]);
  });
});

test.each<[string, string[]]>([
  ["a@b.example", ["a@b.example"]],
  ["A B <a@b.example>", ["a@b.example"]],
  ['"x@y.example, <c@d.example>" <a@b.example>', ["a@b.example"]],
  ["(c@d.example (nested)) a@b.example (x)", ["a@b.example"]],
  ["Group: a@b.example, <c@d.example>;", ["a@b.example", "c@d.example"]],
  ["<@relay.example:a@b.example>", ["a@b.example"]],
  ['"a b"@c.example', ["a b@c.example"]],
  ["a @ b.example", ["a@b.example"]],
  ["<a@b.example", ["a@b.example"]],
  ['"open <a@b.example>', []],
  ["", []],
  ["nobody", []],
  ["a@[192.0.2.1]", ["a@[192.0.2.1]"]],
])("authors of %s are %j", (value, expected) => {
  const { header } = message({ header: from(value) });
  expect(authorsOf(header).map(({ local, domain }) => `${local}@${domain}`)).toEqual(expected);
});

test("a hostile From: field is read in linear time", () => {
  const cpu = cpuClock();
  for (const unit of ['"', "(", "<", "a@b,", "\\", "<a@b>,"]) {
    const { header } = message({ header: from(unit.repeat(100_000)) });
    expect(authorsOf(header).length).toBeLessThanOrEqual(64);
  }
  expect(cpu()).toBeLessThan(1000);
});
