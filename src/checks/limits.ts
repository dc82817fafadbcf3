// limits.rules at RCPT: how many messages and recipients a login, a client or a sender had in a period, for accounts that were
// stolen. A message counts once however many recipients it has and however often its MTA asks; one wait for the store.
import type { RcptQuestion } from "../mail/message.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { LimitOutcome, LimitRule } from "../ruleset/limits-lines.ts";
import { subjectOf } from "../ruleset/addresses.ts";
import type { RateStore } from "../state/rate-store.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";

/** What the engine does about a finding is its symbol's outcome: these are no categories of mail, so policy.rules is not asked. */
export const LIMIT_SYMBOLS: Readonly<Record<LimitOutcome, SymbolSpec>> = {
  defer: {
    symbol: "LIMIT_DEFER",
    category: "note",
    score: 0,
    meaning: "A limit of limits.rules is passed: the client is asked to come back later.",
  },
  reject: {
    symbol: "LIMIT_REJECT",
    category: "note",
    score: 0,
    meaning: "A limit of limits.rules is passed: the recipient is refused.",
  },
  note: {
    symbol: "LIMIT_NOTE",
    category: "note",
    score: 0,
    meaning: "A limit of limits.rules is passed: postmaster is told.",
  },
};

/** The check over one snapshot; `rates` rejects when the store is down. */
export const limits = (rules: RuleSet, rates: Pick<RateStore, "take">): Check<"rcpt"> => ({
  name: "limits",
  stage: "rcpt",
  tier: "last",
  symbols: Object.values(LIMIT_SYMBOLS),
  async run(question) {
    if (rules.limits.empty) return [];
    const holding = rules.limits.holding(question).filter((rule) => counts(rule, question));
    if (holding.length === 0) return [];
    const now = Date.now();
    const found = await Promise.all(holding.map((rule) => taken(rule, question, rates, now)));
    return found.filter((finding) => finding !== null);
  },
});

/** Recipients are counted at RCPT only: DATA speaks of the same ones again. */
function counts(rule: LimitRule, { state, instance }: RcptQuestion): boolean {
  if (state === "RCPT") return true;
  return rule.unit === "messages" && instance !== "";
}

async function taken(
  rule: LimitRule,
  question: RcptQuestion,
  rates: Pick<RateStore, "take">,
  now: number,
): Promise<Finding | null> {
  const { instance, recipient } = question;
  const subject = subjectIn(rule, question);
  const once =
    rule.unit === "messages" || instance === "" ? instance : `${instance} ${recipient?.raw ?? ""}`;
  const key = `${rule.who} ${rule.unit} ${rule.period} ${subject}`;
  const answer = await rates.take(key, once, 1, rule.most, rule.periodMs, now);
  if (answer.allowed) return null;
  const { symbol, category, score } = LIMIT_SYMBOLS[rule.outcome];
  const reached = `${rule.who} ${subject} passed ${rule.most} ${rule.unit} per ${rule.period}`;
  return {
    check: "limits",
    symbol,
    category,
    score,
    detail: rule.text === null ? reached : `${reached}: ${rule.text}`,
    rule: rule.at,
    ...(rule.say !== null && { say: rule.say }),
  };
}

const MAX_SUBJECT = 512;

/** Whose counter it is. Clients with IPv6 have a /64 of addresses to send from, so that counts as one. */
function subjectIn({ who }: LimitRule, { login, client, sender }: RcptQuestion): string {
  switch (who) {
    case "login":
      return (login ?? "").toLowerCase().slice(0, MAX_SUBJECT);
    case "client":
      return network(client.address ?? "");
    case "sender":
      return sender === null ? "<>" : subjectOf(sender);
  }
}

function network(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}
