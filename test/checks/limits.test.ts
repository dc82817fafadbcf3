// Whose counter a question moves, by recording what the store is asked.
import { expect, test } from "vitest";
import { limits } from "../../src/checks/limits.ts";
import { UNKNOWN_CLIENT, type RcptQuestion } from "../../src/mail/message.ts";
import { compileRules } from "../../src/ruleset/compile.ts";
import type { RateStore } from "../../src/state/rate-store.ts";
import { address } from "../fakes/message.ts";

const QUESTION: RcptQuestion = {
  client: { ...UNKNOWN_CLIENT, address: "192.0.2.1" },
  login: "Bob",
  sender: address("Ann@Example.org"),
  recipient: address("user@example.com"),
  recipientCount: 0,
  size: 0,
  state: "RCPT",
  instance: "i1",
  context: "",
  origin: "inbound",
};

/** The takes of one run, "key|instance|amount|limit|period", and the findings. */
async function run(lines: string, question: Partial<RcptQuestion>, allowed = true) {
  const compiled = compileRules(new Map([["limits.rules", lines]]), {
    modes: [],
    hasOutgoing: false,
  });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  const takes: string[] = [];
  const rates: Pick<RateStore, "take"> = {
    async take(key, instance, amount, limit, periodMs) {
      takes.push([key, instance, amount, limit, periodMs].join("|"));
      return { count: 1, allowed };
    },
  };
  const so = { findings: [], signal: new AbortController().signal };
  const found = await limits(compiled.ok, rates).run({ ...QUESTION, ...question }, so);
  return { takes, found };
}

test.each<[string, Partial<RcptQuestion>, string[]]>([
  ["limit login 9 messages per 1h", {}, ["login messages 1h bob|i1|1|9|3600000"]],
  [
    "limit login 9 recipients per 1h",
    {},
    ["login recipients 1h bob|i1 user@example.com|1|9|3600000"],
  ],
  ["limit login 9 messages per 1h", { login: null }, []],
  ["limit client 9 messages per 10m", {}, ["client messages 10m 192.0.2.1|i1|1|9|600000"]],
  [
    "limit client 9 messages per 10m",
    { client: { ...UNKNOWN_CLIENT, address: "2001:db8:1::5" } },
    ["client messages 10m 2001:db8:1:0::/64|i1|1|9|600000"],
  ],
  [
    "limit client 9 messages per 10m",
    { client: { ...UNKNOWN_CLIENT, address: "2001:db8:1:2:3:4:5:6" } },
    ["client messages 10m 2001:db8:1:2::/64|i1|1|9|600000"],
  ],
  ["limit client 9 messages per 10m", { client: UNKNOWN_CLIENT }, []],
  ["limit sender 9 messages per 1d", {}, ["sender messages 1d ann@example.org|i1|1|9|86400000"]],
  ["limit sender 9 messages per 1d", { sender: null }, []],
  ["limit login 9 recipients per 1h", { instance: "" }, ["login recipients 1h bob||1|9|3600000"]],
  ["limit login 9 recipients per 1h", { state: "DATA" }, []],
  [
    "limit login 9 messages per 1h",
    { state: "DATA", recipient: null },
    ["login messages 1h bob|i1|1|9|3600000"],
  ],
  ["limit login 9 messages per 1h", { state: "END-OF-MESSAGE", instance: "" }, []],
  ["limit login unlimited messages", {}, []],
  ["", {}, []],
])("%s, %j", async (lines, question, expected) => {
  const { takes, found } = await run(lines, question);
  expect(takes).toEqual(expected);
  expect(found).toEqual([]);
});

test("a limit that is passed: the outcome is the symbol, the texts and the line are the operator's", async () => {
  const { found } = await run(
    '\nlimit login 9 messages per 1h reject "log" "say"\nlimit sender 2 recipients per 1m note',
    {},
    false,
  );
  expect(found).toEqual([
    {
      check: "limits",
      symbol: "LIMIT_REJECT",
      category: "note",
      score: 0,
      detail: "login bob passed 9 messages per 1h: log",
      say: "say",
      rule: "rules/limits.rules:2",
    },
    {
      check: "limits",
      symbol: "LIMIT_NOTE",
      category: "note",
      score: 0,
      detail: "sender ann@example.org passed 2 recipients per 1m",
      rule: "rules/limits.rules:3",
    },
  ]);
});
