// The composition root of a worker: constructs stores, destinations and listeners, and wires them to the engine. The only file
// that knows all of them; it decides nothing itself.
import { join } from "node:path";
import { accounts, type Accounts } from "./accounts.ts";
import { admission, announcedSize, type Admission } from "./admission.ts";
import { clamdService } from "./clamd-service.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { aliasTables, type AliasTables } from "./delivery/alias-source.ts";
import { asksText } from "./checks/dnsxl.ts";
import type { MessageMeans } from "./checks/index.ts";
import { answer, type AnswerMeans } from "./engine/answer.ts";
import type { ApplyMeans } from "./engine/apply.ts";
import { rememberCorrespondents } from "./engine/correspondents.ts";
import { countDeliveries, delivering } from "./engine/delivering.ts";
import { editsFor, extended, keepCopy, type FilterFacts } from "./engine/filtering.ts";
import { signer, type Signer } from "./engine/signing.ts";
import type { Bench, JudgeOptions } from "./engine/judge.ts";
import { notices, type Notices } from "./engine/notices.ts";
import { record } from "./engine/record.ts";
import { benchOf, deepening, isLocal, nextBench, surroundings } from "./judging.ts";
import type { TreeReader } from "./content/tree.ts";
import type { GreylistMeans } from "./checks/greylist.ts";
import { greylisting } from "./greylisting.ts";
import { heldMail, type HeldMail } from "./held-mail.ts";
import { heldNodes, type HeldNodes } from "./held-nodes.ts";
import { deliversHere } from "./housekeeping.ts";
import { localDelivery, type LocalDelivery } from "./local-delivery.ts";
import { openStore } from "./open-store.ts";
import { policyService } from "./policy-service.ts";
import { relays, type Relays } from "./relays.ts";
import { lookups, type Lookups } from "./lookups.ts";
import { hostOf, portOf, whereOf } from "./listen-address.ts";
import type { Destination } from "./mail/destination.ts";
import type { Address } from "./mail/address.ts";
import type { Transaction } from "./mail/message.ts";
import { ok } from "./mail/reply.ts";
import type { RuleSource } from "./ruleset/source.ts";
import { scoring, hasMailToScore, type Scoring } from "./scoring.ts";
import type { Listener } from "./servers/listener.ts";
import type { SmtpHandler, SmtpListener } from "./servers/smtp.ts";
import { smtpListener } from "./smtp-listener.ts";
import { spamdService } from "./spamd-service.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import type { HostStore } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { spoolRoom } from "./sys/spool.ts";
import { virusScanning, type VirusScanning } from "./virus-scanning.ts";

export interface App {
  readonly listening: readonly string[];
  /** Addresses that were taken, with why; only without a configuration file. */
  readonly skipped: readonly string[];
  /**
   * Puts new rules in force, in the order of the calls; messages under way keep theirs. Rejects when they do not compile: the
   * old ones stay.
   */
  use(source: RuleSource, spam?: EngineData | null): Promise<void>;
  /**
   * Finishes what is in flight, for at most `graceMs`, then closes everything. Sessions that have begun no transaction may begin one
   * within `firstMs`.
   */
  stop(graceMs: number, firstMs: number): Promise<void>;
}

const FAILED_GRACE_MS = 10_000;

/**
 * Starts all SMTP, LMTP and policy listeners. Rejects when one cannot listen (see `skipped`). `spam`: SpamAssassin's rules, null
 * without any.
 */
export async function startApp(
  config: Config,
  source: RuleSource,
  log: Log,
  metrics: Metrics,
  spam: EngineData | null = null,
): Promise<App> {
  const rooms = new Rooms(config, { source, spam }, log, metrics, await openStore(config, log));
  await rooms.ready();
  const listeners: (SmtpListener | Listener)[] = [];
  const listening: string[] = [];
  const skipped: string[] = [];
  for (const entry of config.listener) {
    const links = entry.role === "links";
    if (entry.protocol === "http" && !links) continue;
    const asked = ["policy", "clamd", "spamd"].includes(entry.protocol) || links;
    const listener = asked ? rooms.asked(entry) : rooms.listener(entry);
    const what = asked && !links ? entry.protocol : `${entry.protocol}, ${entry.role}`;
    try {
      await listener.listen(whereOf(entry.listen));
      listeners.push(listener);
      const mode = !asked && entry.role === "filter" ? `, ${entry.mode}` : "";
      listening.push(`${entry.listen} (${what}${mode})`);
    } catch (error) {
      const why = `${entry.listen} (${what}): ${(error as Error).message}`;
      // Defaults step aside for whoever has the port, but a filter that does not filter must not look as if it ran.
      if (config.file !== null || (!asked && entry.role === "filter")) {
        // Those that listen already may have taken connections, beside the workers that we were to follow.
        await Promise.all(listeners.map((one) => one.close(FAILED_GRACE_MS, FAILED_GRACE_MS)));
        throw new Error(`cannot listen on ${why}`, { cause: error });
      }
      skipped.push(why);
    }
  }
  return {
    listening,
    skipped,
    use: (next, nextSpam = null) => rooms.use(next, nextSpam),
    async stop(graceMs, firstMs) {
      await Promise.all(listeners.map((listener) => listener.close(graceMs, firstMs)));
      await rooms.close();
    },
  };
}

/** Everything that listeners share. */
class Rooms {
  private bench: Bench;
  /** The end of all reloads. */
  private compiling: Promise<void> = Promise.resolve();
  private signer: Signer;
  private readonly lookups: Lookups;
  private readonly greylist: GreylistMeans | null;
  private readonly scanning: VirusScanning;
  private readonly scoring: Scoring;
  private readonly config: Config;
  private readonly log: Log;
  private readonly metrics: Metrics;
  private readonly store: HostStore;
  private readonly accounts: Accounts;
  readonly local: LocalDelivery;
  private readonly domains: ReadonlySet<string>;
  private tables: AliasTables;
  private readonly relays: Relays;
  private readonly outgoing: Destination | null;
  private readonly spool: ReturnType<typeof spoolRoom>;
  private readonly admission: Admission;
  private readonly deep: ReturnType<typeof deepening>;
  private readonly nodes: HeldNodes;
  private readonly quarantine: HeldNodes["quarantine"];
  private readonly notices: Notices;
  private readonly policy: ReturnType<typeof policyService>;
  private readonly clamd: ReturnType<typeof clamdService>;
  private readonly spamd: ReturnType<typeof spamdService>;
  private readonly held: HeldMail;

  constructor(
    config: Config,
    { source, spam }: { readonly source: RuleSource; readonly spam: EngineData | null },
    log: Log,
    metrics: Metrics,
    store: HostStore,
  ) {
    this.config = config;
    this.log = log;
    this.metrics = metrics;
    this.lookups = lookups(config, log, metrics);
    this.store = store;
    this.accounts = accounts(config, store, log, metrics);
    this.greylist = greylisting(config, store, this.lookups, log, metrics);
    this.scanning = virusScanning(config, log, metrics);
    this.scoring = scoring(config, spam, { log, metrics }, store, this.lookups.dns);
    this.bench = benchOf(source, config, this.means());
    this.lookups.use(this.bench.rules);
    this.signer = signer(this.bench.rules.dkim, config.dkim.keys);
    this.spool = spoolRoom({ dir: join(config.server.state_dir, "spool") });
    this.admission = admission(config, log, metrics);
    this.deep = deepening(config, metrics);
    this.nodes = heldNodes({
      config,
      store,
      relays: () => this.relays,
      local: () => this.local.filter,
      log,
    });
    this.quarantine = this.nodes.quarantine;
    this.relays = relays(config, log, metrics);
    this.outgoing = config.outgoing.relay === null ? null : this.relays.to(config.outgoing.relay);
    this.tables = aliasTables(source);
    this.domains = new Set(config.delivery.domains);
    this.local = localDelivery(config, () => this.tables, this.outgoing, log);
    this.notices = notices({
      hostname: config.server.hostname,
      domain: config.delivery.domains[0] ?? config.server.hostname,
      routeTo: (address) => this.routeTo(address),
      log,
      metrics,
    });
    this.policy = policyService({
      config,
      rules: () => this.bench.rules,
      means: { rates: this.store.rates, ...this.means() },
      local: this.local,
      onCheck: this.onCheck,
      notices: this.notices,
      log,
      metrics,
    });
    this.clamd = this.servingClamd();
    this.spamd = this.servingSpamd();
    this.held = this.holding();
    metrics.spoolBytes.set(0);
  }

  /** What mail would else wait for. */
  async ready(): Promise<void> {
    if (deliversHere(this.config)) await this.local.ready();
    if (hasMailToScore(this.config)) await this.scoring.engine?.ready();
  }

  private servingClamd(): ReturnType<typeof clamdService> {
    const { config, spool, log, metrics } = this;
    return clamdService({
      config,
      rules: () => this.bench.rules,
      means: this.means(),
      around: surroundings(config, undefined, this.deep),
      judging: { checkDeadlineMs: config.limits.check_deadline, onCheck: this.onCheck },
      spool,
      admit: () => this.admission.stream(),
      log,
      metrics,
    });
  }

  private servingSpamd(): ReturnType<typeof spamdService> {
    const { config, spool, log, metrics } = this;
    return spamdService({
      config,
      scoring: this.scoring,
      judging: {
        around: surroundings(config, () => asksText(this.bench.rules), this.deep),
        bench: () => this.bench,
        judging: { checkDeadlineMs: config.limits.check_deadline, onCheck: this.onCheck },
      },
      spool,
      admit: () => this.admission.stream(),
      log,
      metrics,
    });
  }

  private holding(): HeldMail {
    return heldMail({
      config: this.config,
      quarantine: this.quarantine,
      store: this.store,
      relays: this.relays,
      local: this.local,
      routeTo: (address) => this.routeTo(address),
      log: this.log,
      metrics: this.metrics,
    });
  }

  private readonly onCheck: NonNullable<JudgeOptions["onCheck"]> = (name, ms, failed, error) => {
    this.metrics.checkSeconds.observe({ check: name }, ms / 1000);
    if (failed === null) return;
    this.metrics.checkErrors.inc({ check: name, reason: failed });
    const why = error instanceof Error ? `: ${error.message}` : "";
    this.log.warn(`check ${name} could not answer (${failed}${why})`);
  };

  /** What the checks may ask of the outside. */
  private means(): MessageMeans {
    const { dnsxl, resolver } = this.lookups;
    return {
      ...(resolver !== null && this.config.auth.verify && { resolver }),
      ...(dnsxl !== null && { dnsxl }),
      ...(this.greylist !== null && { greylist: this.greylist }),
      ...(this.scanning.means !== null && { virus: this.scanning.means }),
      ...(this.scoring.means !== null && { spam: this.scoring.means }),
    };
  }

  use(source: RuleSource, spam: EngineData | null): Promise<void> {
    const turn = this.compiling.then(() => this.swap(source, spam));
    this.compiling = turn.catch(() => undefined);
    return turn;
  }

  /** Nothing is in force before all of it is compiled. */
  private async swap(source: RuleSource, spam: EngineData | null): Promise<void> {
    const bench = await nextBench(source, this.config, this.means());
    this.lookups.use(bench.rules);
    this.signer = signer(bench.rules.dkim, this.config.dkim.keys);
    this.bench = bench;
    this.tables = aliasTables(source);
    if (spam !== null) await this.scoring.engine?.use(spam);
  }

  async close(): Promise<void> {
    this.admission.close();
    await this.held.stop();
    await this.nodes.stop();
    await this.notices.drain(this.config.limits.stop_deadline);
    await this.relays.close();
    await this.deep.close();
    this.scanning.close();
    await this.scoring.close();
    this.lookups.close();
    await this.accounts.close();
    await this.store.close();
  }

  /** A listener that answers questions and takes no mail. */
  asked(entry: ListenerConfig): Listener {
    if (entry.protocol === "http") return this.held.listener(entry);
    if (entry.protocol === "spamd") return this.spamd(entry);
    return entry.protocol === "clamd" ? this.clamd(entry) : this.policy(entry);
  }

  listener(entry: ListenerConfig): SmtpListener {
    const { config, spool, log, metrics } = this;
    const destination = this.destination(entry);
    const handler = this.handler(entry, destination);
    return smtpListener({ config, entry, destination, handler, spool, log, metrics });
  }

  private handler(entry: ListenerConfig, destination: Destination): SmtpHandler {
    const trees = new WeakMap<Transaction, TreeReader>();
    const means =
      entry.role === "delivery"
        ? delivering(this.commonMeans(), destination)
        : this.filterMeans(entry, destination);
    const intake = { mode: entry.mode, origin: entry.origin, client: entry.client };
    const budget =
      entry.mode === "before-queue"
        ? this.config.limits.budget_before_queue
        : this.config.limits.budget_after_queue;
    const { metrics, admission: door } = this;
    const local = [this.local.filter, this.local.delivery].find((one) => one === destination);
    return {
      mail: (transaction) => door.mail(transaction, Math.min(budget, 30_000)),
      rcpt: (transaction, recipient) =>
        local?.rcpt(recipient, announcedSize(transaction)) ?? ok("Ok", "2.1.5"),
      data: (transaction) => door.data(transaction),
      grew: (transaction, octets) => door.grew(transaction, octets),
      message: async (transaction, spool, gone) => {
        metrics.spoolBytes.set(this.spool.held);
        return answer(transaction, spool, intake, gone, means, trees.get(transaction) ?? null);
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
        metrics.spoolBytes.set(this.spool.held);
      },
    };
  }

  /** Where our own mail to this address goes without being judged again; null = nowhere. */
  private routeTo(address: Address): Destination | null {
    return this.outgoing ?? (this.domains.has(address.domain) ? this.local.delivery : null);
  }

  private commonMeans(): Omit<AnswerMeans, "applying" | "record"> {
    const { config, metrics, log } = this;
    const around = surroundings(config, () => asksText(this.bench.rules), this.deep);
    const local = isLocal(config);
    return {
      around,
      bench: () => this.bench,
      judging: {
        isLocal: local,
        checkDeadlineMs: config.limits.check_deadline,
        onCheck: this.onCheck,
      },
      reporting: {
        hostname: config.server.hostname,
        routeTo: (address) => this.routeTo(address),
        dsnCutoff: 10,
      },
      recording: { log, metrics, timings: config.server.log_timings },
      notices: this.notices,
      handedOn: this.store.handedOn,
      budgetMs: (mode) =>
        mode === "before-queue"
          ? config.limits.budget_before_queue
          : config.limits.budget_after_queue,
      isOurs: (address) => around.internal.has(address),
    };
  }

  private filterMeans(entry: ListenerConfig, destination: Destination): AnswerMeans {
    const { config } = this;
    const socket = entry.listen.startsWith("unix:")
      ? null
      : { address: hostOf(entry.listen), port: portOf(entry.listen) };
    const facts: FilterFacts = {
      hostname: config.server.hostname,
      product: config.headers.product,
      socket,
      addressExtension: config.next_hop.address_extension,
      quarantine: this.quarantine,
      nextHop: entry.next_hop ?? config.next_hop.relay,
      mailbox: (address) => this.held.mailbox(address),
      warn: (text) => this.log.warn(text),
    };
    const ours = destination === this.local.filter;
    const common = this.commonMeans();
    return {
      ...common,
      applying: (judgement, deadline) => ({
        destination,
        keep: (message, judged, signal) => keepCopy(message, judged, judgement, facts, signal),
        edits: (message, judged, quarantined) =>
          editsFor(message, judged, judgement, quarantined, facts),
        ...(this.signer.active && { finish: this.signing }),
        addressed: (recipient, folder, local) =>
          ours || !local ? recipient : extended(recipient, folder, facts.addressExtension),
        deadline,
      }),
      record: (answered) => {
        record(answered, common.recording);
        if (ours) countDeliveries(answered, this.metrics);
        rememberCorrespondents(answered, this.store.people, this.log);
        this.accounts.add(answered);
      },
    };
  }

  /** The signatures of one copy; null when they cannot be made, which is told. */
  private readonly signing: NonNullable<ApplyMeans["finish"]> = async (message, copy, deadline) => {
    try {
      return await this.signer.sign(message, copy, deadline);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.log.error(`(${message.envelope.id}) the message could not be signed: ${why}`);
      return null;
    }
  };

  private destination(entry: ListenerConfig): Destination {
    const relay = entry.next_hop ?? this.config.next_hop.relay;
    if (entry.role === "delivery") return this.local.delivery;
    return relay === "local" ? this.local.filter : this.relays.to(relay);
  }
}
