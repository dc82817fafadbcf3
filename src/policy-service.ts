// The policy service of a worker: its listeners over the rooms that the filter has too (rules, store, delivery agent). Wired
// here, so that rooms.ts stays the place where things are made and nothing else.
import { allowedPeers } from "./allowed-peers.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { rcptChecksOf, type RcptMeans } from "./checks/index.ts";
import { rcptAnswers, type AnswerRcptMeans, type RcptBench } from "./engine/answer-rcpt.ts";
import type { Notices } from "./engine/notices.ts";
import { noticeRate } from "./engine/notice-rate.ts";
import { deliversHere } from "./housekeeping.ts";
import { isLocal } from "./judging.ts";
import type { LocalDelivery } from "./local-delivery.ts";
import { networks } from "./mail/ip.ts";
import { ok, type Reply } from "./mail/reply.ts";
import type { RuleSet } from "./ruleset/compile.ts";
import type { Listener } from "./servers/listener.ts";
import { policyServer, POLICY_DEFAULTS } from "./servers/policy.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";

export interface PolicyRooms {
  readonly config: Config;
  /** The rules in force. */
  rules(): RuleSet;
  readonly means: RcptMeans;
  readonly local: LocalDelivery;
  readonly onCheck: AnswerRcptMeans["onCheck"];
  readonly notices: Pick<Notices, "limitPassed">;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Makes policy listeners, which share what one process remembers. They do not listen yet. */
export function policyService(rooms: PolicyRooms): (entry: ListenerConfig) => Listener {
  const { config, log, metrics } = rooms;
  const answer = rcptAnswers({
    bench: benches(rooms),
    internal: networks(config.networks.internal),
    relays: networks(config.networks.relays),
    isLocal: isLocal(config),
    recipient: recipients(rooms),
    budgetMs: config.policy.budget,
    onFail: config.policy.on_fail,
    onCheck: rooms.onCheck,
    limitPassed: limitAlarm(rooms),
    log,
    metrics,
  });
  return (entry) => {
    const name = `policy:${entry.listen}`;
    return policyServer({
      ...POLICY_DEFAULTS,
      name,
      answer,
      allow: allowedPeers(entry.allow, name, metrics),
      onError: (error) =>
        log.warn(`${name}: ${error instanceof Error ? error.message : String(error)}`),
      maxConnections: config.limits.connections,
    });
  };
}

/** The checks are made anew when the rules are. */
function benches(rooms: PolicyRooms): () => RcptBench {
  const { dnsxl } = rooms.means;
  // Half of the budget: the lists' hits must be there in time, and a silent list be noticed, before the check counts as late.
  const budgetMs = rooms.config.policy.budget / 2;
  const means: RcptMeans =
    dnsxl === undefined
      ? rooms.means
      : { ...rooms.means, dnsxl: { ...dnsxl, budgetMs: Math.min(dnsxl.budgetMs, budgetMs) } };
  let bench: RcptBench | null = null;
  return () => {
    const rules = rooms.rules();
    if (bench?.rules !== rules) bench = { rules, checks: rcptChecksOf(rules, means) };
    return bench;
  };
}

/** Who exists is known where mail is delivered here, or where the operator names the table of users. */
function recipients({ config, local }: PolicyRooms): AnswerRcptMeans["recipient"] {
  const domains = new Set(config.delivery.domains);
  const here = deliversHere(config);
  if (!here && !config.delivery.users_named) return () => null;
  return (address, size) => {
    if (!domains.has(address.domain)) return null;
    const reply = local.filter.rcpt({ address, params: [] }, size);
    // Where somebody else delivers, we know who exists, not how full a mailbox is.
    return here ? reply : reply.then((said) => (isUnknown(said) ? said : OK));
  };
}

const OK = ok("Recipient ok", "2.1.5");

/** RFC 3463 X.1.X: about the address. */
function isUnknown(reply: Reply): boolean {
  return reply.kind === "reject" && reply.status.startsWith("5.1.");
}

const ALARM = { everyMs: 3_600_000, perHour: 60 };

const HOW: Readonly<Record<string, string>> = {
  LIMIT_DEFER: "refused for now: the client will try again",
  LIMIT_REJECT: "refused",
  LIMIT_NOTE: "goes on",
};

/** One line and one notice an hour about each limit that is passed, however often. */
function limitAlarm({ log, notices }: PolicyRooms): AnswerRcptMeans["limitPassed"] {
  const rate = noticeRate(ALARM);
  return (finding, { client, login, sender }) => {
    const more = rate.admit(finding.detail, performance.now());
    if (more === null) return;
    notices.limitPassed({
      kind: "limit",
      what: finding.detail,
      rule: finding.rule ?? "?",
      how: HOW[finding.symbol] ?? "?",
      login,
      sender: sender?.raw ?? null,
      client,
      at: new Date(),
    });
    log.warn(
      `limit: ${finding.detail} (${finding.rule ?? "?"})${more === 0 ? "" : `; ${more} times more since the last such line`}`,
    );
  };
}
