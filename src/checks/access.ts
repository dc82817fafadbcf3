// The operator's own lists: clients.rules, senders.rules, recipients.rules. Tier known, no I/O: what they say can spare every
// other check. A deny line for senders holds when the envelope sender or any author (From:) matches; an allow line
// only when the envelope sender or *every* author does, so that one trusted name among several opens nothing.
import type { Address } from "../mail/address.ts";
import type { Client, Message } from "../mail/message.ts";
import type { AccessList, AccessRule } from "../ruleset/access-lines.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { authorsOf } from "./authors.ts";
import { pointsOf } from "./points.ts";

const ALLOW: SymbolSpec = {
  symbol: "ACCESS_ALLOW",
  category: "note",
  score: 0,
  meaning:
    "An allow line of clients, senders or recipients.rules matched; the categories after skip do not count.",
};
const PERMIT: SymbolSpec = {
  symbol: "ACCESS_PERMIT",
  category: "note",
  score: 0,
  meaning:
    "A permit line of clients, senders or recipients.rules matched: as allow, and the policy service answers OK.",
};
/** The points lift a denied message above the kill level (amavis' blacklist does so), whatever the fate of `listed` is. */
const DENY: SymbolSpec = {
  symbol: "ACCESS_DENY",
  category: "listed",
  score: 100,
  meaning: "A deny line of clients, senders or recipients.rules matched.",
};

/** The check over the lists of one snapshot: at most one finding for the client, one for the sender, one per recipient. */
export const access = (rules: RuleSet): Check<"message"> => ({
  name: "access",
  stage: "message",
  tier: "known",
  symbols: [ALLOW, PERMIT, DENY],
  async run(message) {
    const { envelope } = message;
    const found: Finding[] = [];
    const add = (rule: AccessRule | undefined, who: string, recipient?: Address): void => {
      if (rule !== undefined) found.push(findingOf(rules, rule, who, recipient));
    };
    add(
      firstRule(rules.clients, envelope.client),
      `client ${envelope.client.address ?? "unknown"}`,
    );
    add(senderRule(rules.senders, message), `sender <${envelope.sender?.raw ?? ""}>`);
    if (rules.recipients.rules.length === 0) return found;
    const seen = new Set<string>();
    for (const { address } of envelope.recipients) {
      if (seen.has(address.raw)) continue;
      seen.add(address.raw);
      add(firstRule(rules.recipients, address), `recipient <${address.raw}>`, address);
    }
    return found;
  },
});

/** The same at RCPT: client, envelope sender and the one recipient. What only a message can show is asked there. */
export const accessAtRcpt = (rules: RuleSet): Check<"rcpt"> => ({
  name: "access",
  stage: "rcpt",
  tier: "known",
  symbols: [ALLOW, PERMIT, DENY],
  async run({ client, sender, recipient }) {
    const found: Finding[] = [];
    const byClient = firstRule<Pick<Client, "address" | "name">>(rules.clients, client);
    if (byClient !== undefined)
      found.push(findingOf(rules, byClient, `client ${client.address ?? "unknown"}`));
    const bySender = firstRule(rules.senders, sender);
    if (bySender !== undefined)
      found.push(findingOf(rules, bySender, `sender <${sender?.raw ?? ""}>`));
    const byRecipient = recipient === null ? undefined : firstRule(rules.recipients, recipient);
    if (byRecipient !== undefined && recipient !== null)
      found.push(findingOf(rules, byRecipient, `recipient <${recipient.raw}>`, recipient));
    return found;
  },
});

function firstRule<K>(list: AccessList<K>, key: K): AccessRule | undefined {
  const [first] = list.all(key);
  return first === undefined ? undefined : list.rules[first];
}

function senderRule(list: AccessList<Address | null>, message: Message): AccessRule | undefined {
  if (list.rules.length === 0) return undefined;
  const envelope = list.all(message.envelope.sender);
  const authors = authorsOf(message.header).map((author) => list.all(author));
  for (const position of [...new Set([envelope, ...authors].flat())].sort((a, b) => a - b)) {
    const rule = list.rules[position];
    if (rule?.verb === "deny") return rule;
    const everyAuthor =
      authors.length > 0 && authors.every((matched) => matched.includes(position));
    if (everyAuthor || envelope.includes(position)) return rule;
  }
  return undefined;
}

function findingOf(rules: RuleSet, rule: AccessRule, who: string, recipient?: Address): Finding {
  const spec = rule.verb === "deny" ? DENY : rule.permit ? PERMIT : ALLOW;
  return {
    check: "access",
    symbol: spec.symbol,
    category: spec.category,
    score: pointsOf(rules, spec),
    detail: rule.text === null ? who : `${who}: ${rule.text}`,
    rule: rule.at,
    ...(recipient !== undefined && { recipient }),
    ...(rule.verb === "allow" && { waives: rule.waives }),
    ...(rule.say !== null && { say: rule.say }),
  };
}
