// The SMTP and LMTP service of a worker: what a listener does with a message that it took, over the rooms that all listeners share.
// Wired here, so that rooms.ts stays the place where things are made and nothing else.
import type { Accounts } from "./accounts.ts";
import { announcedSize, type Admission } from "./admission.ts";
import { asksText } from "./checks/dnsxl.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import type { TreeReader } from "./content/tree.ts";
import { answer, type AnswerMeans } from "./engine/answer.ts";
import type { ApplyMeans } from "./engine/apply.ts";
import { rememberCorrespondents } from "./engine/correspondents.ts";
import { countDeliveries, delivering } from "./engine/delivering.ts";
import { editsFor, extended, keepCopy, type FilterFacts } from "./engine/filtering.ts";
import type { Bench, JudgeOptions } from "./engine/judge.ts";
import type { Notices } from "./engine/notices.ts";
import { record } from "./engine/record.ts";
import type { Signer } from "./engine/signing.ts";
import type { HeldMail } from "./held-mail.ts";
import type { HeldNodes } from "./held-nodes.ts";
import { isLocal, surroundings, type deepening } from "./judging.ts";
import { hostOf, portOf } from "./listen-address.ts";
import type { LocalDelivery } from "./local-delivery.ts";
import type { Address } from "./mail/address.ts";
import type { Destination } from "./mail/destination.ts";
import type { Transaction } from "./mail/message.ts";
import { ok } from "./mail/reply.ts";
import type { Relays } from "./relays.ts";
import type { SmtpHandler, SmtpListener } from "./servers/smtp.ts";
import { smtpListener } from "./smtp-listener.ts";
import type { HostStore } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import type { SpoolRoom } from "./sys/spool.ts";

export interface SmtpRooms {
  readonly config: Config;
  /** The rules and checks in force now. */
  readonly bench: () => Bench;
  readonly signer: () => Signer;
  readonly onCheck: NonNullable<JudgeOptions["onCheck"]>;
  readonly deep: ReturnType<typeof deepening>;
  readonly spool: SpoolRoom;
  readonly admission: Admission;
  readonly local: LocalDelivery;
  readonly relays: Relays;
  readonly quarantine: HeldNodes["quarantine"];
  readonly held: Pick<HeldMail, "mailbox">;
  readonly store: HostStore;
  readonly accounts: Accounts;
  /** Where our own mail to this address goes without being judged again; null = nowhere. */
  readonly routeTo: (address: Address) => Destination | null;
  readonly notices: Notices;
  readonly log: Log;
  readonly metrics: Metrics;
}

const MAX_WAIT_MS = 30_000;

/** Makes SMTP and LMTP listeners. They do not listen yet. */
export function smtpService(rooms: SmtpRooms): (entry: ListenerConfig) => SmtpListener {
  const { config, spool, log, metrics } = rooms;
  return (entry) => {
    const destination = destinationOf(entry, rooms);
    const handler = handlerOf(entry, destination, rooms);
    return smtpListener({ config, entry, destination, handler, spool, log, metrics });
  };
}

function destinationOf(entry: ListenerConfig, { config, local, relays }: SmtpRooms): Destination {
  const relay = entry.next_hop ?? config.next_hop.relay;
  if (entry.role === "delivery") return local.delivery;
  return relay === "local" ? local.filter : relays.to(relay);
}

function handlerOf(entry: ListenerConfig, destination: Destination, rooms: SmtpRooms): SmtpHandler {
  const { config, metrics, spool, admission: door } = rooms;
  const trees = new WeakMap<Transaction, TreeReader>();
  const means =
    entry.role === "delivery"
      ? delivering(commonMeans(rooms), destination)
      : filterMeans(entry, destination, rooms);
  const intake = { mode: entry.mode, origin: entry.origin, client: entry.client };
  const waitMs = Math.min(budgetOf(config, entry.mode), MAX_WAIT_MS);
  const local = [rooms.local.filter, rooms.local.delivery].find((one) => one === destination);
  return {
    mail: (transaction) => door.mail(transaction, waitMs),
    rcpt: (transaction, recipient) =>
      local?.rcpt(recipient, announcedSize(transaction)) ?? ok("Ok", "2.1.5"),
    data: (transaction) => door.data(transaction),
    grew: (transaction, octets) => door.grew(transaction, octets),
    message: async (transaction, spooled, gone) => {
      metrics.spoolBytes.set(spool.held);
      return answer(transaction, spooled, intake, gone, means, trees.get(transaction) ?? null);
    },
    // The delivery agent looks into no message.
    ...(entry.role === "filter" && {
      open: (transaction) => {
        const tree = means.around.arrivingTree();
        trees.set(transaction, tree);
        return tree;
      },
    }),
    end: (transaction) => {
      door.end(transaction);
      metrics.spoolBytes.set(spool.held);
    },
  };
}

const budgetOf = ({ limits }: Config, mode: ListenerConfig["mode"]): number =>
  mode === "before-queue" ? limits.budget_before_queue : limits.budget_after_queue;

function commonMeans(rooms: SmtpRooms): Omit<AnswerMeans, "applying" | "record"> {
  const { config, metrics, log, bench, onCheck, routeTo } = rooms;
  const around = surroundings(config, () => asksText(bench().rules), rooms.deep);
  return {
    around,
    bench,
    judging: {
      isLocal: isLocal(config),
      checkDeadlineMs: config.limits.check_deadline,
      onCheck,
    },
    reporting: { hostname: config.server.hostname, routeTo, dsnCutoff: 10 },
    recording: { log, metrics, timings: config.server.log_timings },
    notices: rooms.notices,
    handedOn: rooms.store.handedOn,
    budgetMs: (mode) => budgetOf(config, mode),
    isOurs: (address) => around.internal.has(address),
  };
}

function filterMeans(
  entry: ListenerConfig,
  destination: Destination,
  rooms: SmtpRooms,
): AnswerMeans {
  const facts = filterFacts(entry, rooms);
  const ours = destination === rooms.local.filter;
  const common = commonMeans(rooms);
  return {
    ...common,
    applying: (judgement, deadline) => ({
      destination,
      keep: (message, judged, signal) => keepCopy(message, judged, judgement, facts, signal),
      edits: (message, judged, quarantined) =>
        editsFor(message, judged, judgement, quarantined, facts),
      ...(rooms.signer().active && { finish: signingWith(rooms) }),
      addressed: (recipient, folder, local) =>
        ours || !local ? recipient : extended(recipient, folder, facts.addressExtension),
      deadline,
    }),
    record: (answered) => {
      record(answered, common.recording);
      if (ours) countDeliveries(answered, rooms.metrics);
      rememberCorrespondents(answered, rooms.store.people, rooms.log);
      rooms.accounts.add(answered);
    },
  };
}

function filterFacts(
  entry: ListenerConfig,
  { config, quarantine, held, log }: SmtpRooms,
): FilterFacts {
  const socket = entry.listen.startsWith("unix:")
    ? null
    : { address: hostOf(entry.listen), port: portOf(entry.listen) };
  return {
    hostname: config.server.hostname,
    product: config.headers.product,
    socket,
    addressExtension: config.next_hop.address_extension,
    quarantine,
    nextHop: entry.next_hop ?? config.next_hop.relay,
    mailbox: (address) => held.mailbox(address),
    warn: (text) => log.warn(text),
  };
}

/** The signatures of one copy; null when they cannot be made, which is told. */
const signingWith =
  ({ signer, log }: SmtpRooms): NonNullable<ApplyMeans["finish"]> =>
  async (message, copy, deadline) => {
    try {
      return await signer().sign(message, copy, deadline);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.error(`(${message.envelope.id}) the message could not be signed: ${why}`);
      return null;
    }
  };
