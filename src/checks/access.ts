// The operator's own lists: clients.rules, senders.rules, recipients.rules. Tier known, no I/O: what they say can spare every
// other check. A deny line for senders holds when the envelope sender or any author (From:) matches; an allow line
// only when the envelope sender or *every* author does, so that one trusted name among several opens nothing. An allow line with
// `if dkim` waits until the auth check has answered: then, and all lines after it, accessProven decides about senders.
import type { Address } from "../mail/address.ts";
import type { Client, Message } from "../mail/message.ts";
import type { AccessList, AccessRule } from "../ruleset/access-lines.ts";
import type { RuleSet } from "../ruleset/compile.ts";
import type { Check, SymbolSpec } from "../verdict/check.ts";
import type { Finding } from "../verdict/finding.ts";
import { isProven } from "./aligned.ts";
import { provenBy, type Proven } from "./auth-results.ts";
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
    const bySender = senderRule(rules.senders, message, null);
    if (bySender !== "later") add(bySender, senderText(message));
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

/**
 * The sender's line when one with `if …` comes before the first that holds anyway: asked once the auth check has answered. Only
 * needed when senders.rules has such a line.
 */
export const accessProven = (rules: RuleSet): Check<"message"> => ({
  name: "proven",
  stage: "message",
  tier: "content",
  symbols: [ALLOW, DENY],
  mayWaive: true,
  async run(message, { findings }) {
    if (senderRule(rules.senders, message, null) !== "later") return [];
    const rule = senderRule(rules.senders, message, provenBy(findings));
    if (rule === undefined || rule === "later") return [];
    return [{ ...findingOf(rules, rule, senderText(message)), check: "proven" }];
  },
});

function senderText({ envelope }: Message): string {
  return `sender <${envelope.sender?.raw ?? ""}>`;
}

/** The first line, unless it waits for proof: that only a message can bring. */
function firstRule<K>(list: AccessList<K>, key: K): AccessRule | undefined {
  const [first] = list.all(key);
  const rule = first === undefined ? undefined : list.rules[first];
  return rule?.onlyIf === null ? rule : undefined;
}

/** "later" when it depends on what is proven and nothing is known of that yet. */
function senderRule(
  list: AccessList<Address | null>,
  message: Message,
  proven: Proven | null,
): AccessRule | "later" | undefined {
  if (list.rules.length === 0) return undefined;
  const { sender } = message.envelope;
  const envelope = list.all(sender);
  const authors = authorsOf(message.header);
  const byAuthor = authors.map((author) => list.all(author));
  for (const position of [...new Set([envelope, ...byAuthor].flat())].sort((a, b) => a - b)) {
    const rule = list.rules[position];
    if (rule?.verb === "deny") return rule;
    const everyAuthor =
      byAuthor.length > 0 && byAuthor.every((matched) => matched.includes(position));
    const bySender = envelope.includes(position);
    if (rule === undefined || !(everyAuthor || bySender)) continue;
    const { onlyIf } = rule;
    if (onlyIf === null) return rule;
    if (proven === null) return "later";
    if (bySender && isProven(sender, onlyIf, proven)) return rule;
    if (everyAuthor && authors.every((author) => isProven(author, onlyIf, proven))) return rule;
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
