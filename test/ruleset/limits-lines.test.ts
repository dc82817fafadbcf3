import { describe, expect, test } from "vitest";
import { UNKNOWN_CLIENT, type RcptQuestion } from "../../src/mail/message.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import { address } from "../fakes/message.ts";

function compiled(text: string, local = "") {
  const source = new Map([
    ["limits.rules", text],
    ["local.d/limits.rules", local],
  ]);
  return compileRules(source, { modes: [], hasOutgoing: false });
}

interface Who {
  readonly login?: string;
  readonly client?: string;
  readonly name?: string;
  readonly sender?: string;
}

function holding(text: string, who: Who, local = ""): string[] {
  const rules = compiled(text, local);
  if ("errors" in rules) throw new Error(JSON.stringify(rules.errors));
  const question: Pick<RcptQuestion, "client" | "login" | "sender"> = {
    login: who.login ?? null,
    client: { ...UNKNOWN_CLIENT, address: who.client ?? null, name: who.name ?? null },
    sender: who.sender === undefined ? null : address(who.sender),
  };
  return rules.ok.limits
    .holding(question)
    .map(({ who: kind, most, unit, period, outcome }) =>
      [kind, most, unit, period, outcome].join(" "),
    );
}

describe("lines that hold", () => {
  test.each<[string, Who, string[]]>([
    ["limit login 10 messages per 1h", { login: "bob" }, ["login 10 messages 1h defer"]],
    ["limit login 10 messages per 1h", {}, []],
    [
      "limit login 10 messages per 1h for Bob eve",
      { login: "bOB" },
      ["login 10 messages 1h defer"],
    ],
    [
      "limit login 10 messages per 1h for bob eve note",
      { login: "eve" },
      ["login 10 messages 1h note"],
    ],
    ["limit login 10 messages per 1h for bob reject", { login: "eve" }, []],
    [
      "limit login 1 messages per 1h for *@a.example reject",
      { login: "x@a.example" },
      ["login 1 messages 1h reject"],
    ],
    ["limit login 1 messages per 1h for /^b/", { login: "bob" }, ["login 1 messages 1h defer"]],
    [
      "limit client 5 recipients per 10m for 192.0.2.0/24",
      { client: "192.0.2.9" },
      ["client 5 recipients 10m defer"],
    ],
    ["limit client 5 recipients per 10m for 192.0.2.0/24", { client: "198.51.100.1" }, []],
    [
      "limit client 5 recipients per 10m for .a.example",
      { client: "192.0.2.9", name: "x.a.example" },
      ["client 5 recipients 10m defer"],
    ],
    ["limit client 5 recipients per 10m", {}, []],
    ["limit sender 5 recipients per 10m", {}, []],
    ["limit sender 5 recipients per 10m for <>", {}, ["sender 5 recipients 10m defer"]],
    [
      "limit sender 5 recipients per 1d for a.example",
      { sender: "x@a.example" },
      ["sender 5 recipients 1d defer"],
    ],
    [
      "limit sender 5 recipients per 1d for note",
      { sender: "x@note" },
      ["sender 5 recipients 1d defer"],
    ],
  ])("%s, %j", (text, who, expected) => {
    expect(holding(text, who)).toEqual(expected);
  });

  test("the first match of each who and unit counts, local.d before all; unlimited exempts", () => {
    const text = `limit login 500 recipients per 1h note
limit login 10 messages per 1h
limit login 20 messages per 1h for bob
limit client 7 messages per 1m`;
    const bob = { login: "bob", client: "192.0.2.1" };
    expect(holding(text, bob)).toEqual([
      "login 500 recipients 1h note",
      "login 10 messages 1h defer",
      "client 7 messages 1m defer",
    ]);
    const local =
      "limit login unlimited recipients for bob\nlimit login 99 messages per 1d for bob";
    expect(holding(text, bob, local)).toEqual([
      "login 99 messages 1d defer",
      "client 7 messages 1m defer",
    ]);
    expect(holding(text, { login: "eve" }, local)).toHaveLength(2);
  });
});

test.each<[string, string]>([
  ["limit logn 1 messages per 1h", '"logn" cannot be limited; did you mean "login"?'],
  ["limit login 1 message per 1h", '"message" cannot be counted; did you mean "messages"?'],
  ["limit login 0 messages per 1h", '"0" is no limit: a whole number from 1 on, or unlimited'],
  ["limit login 1 messages per 1w", '"1w" is no period: 10m, 1h, 1d, at most 31d'],
  ["limit login 1 messages per 32d", '"32d" is no period: 10m, 1h, 1d, at most 31d'],
  ["limit login 1 messages 1h", '"per PERIOD" is missing'],
  ["limit login 1 messages per 1h bob", '"bob" is not expected here'],
  ["limit login 1 messages per 1h for", 'nothing follows "for"'],
  ["limit client 1 messages per 1h for 192.0.2.1/24", "has bits set beyond its prefix length"],
  ["limit login 1 messages per 1h for /(?=a)/", "cannot be used"],
  ["limits login 1 messages per 1h", 'did you mean "limit"?'],
])("%s is an error", (text, expected) => {
  const rules = compiled(`# first\n${text}`);
  const errors = "errors" in rules ? rules.errors : [];
  expect(errors).toMatchObject([{ file: "rules/limits.rules", line: 2 }]);
  expect(errors[0]?.message).toContain(expected);
});

test("permit is warned about with file and line", () => {
  const source = new Map([["clients.rules", "allow 192.0.2.1\npermit 192.0.2.2"]]);
  const rules = compileRules(source, { modes: [], hasOutgoing: false });
  expect("ok" in rules && rules.warnings).toMatchObject([
    { file: "rules/clients.rules", line: 2 },
    { file: "rules/policy.rules" },
  ]);
});
