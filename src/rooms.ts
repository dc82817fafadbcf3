// The composition root of a worker: constructs stores, destinations and services, and wires them to the engine. The only file that
// knows all of them; it decides nothing itself. Made by app.ts.
import { join } from "node:path";
import { accounts, type Accounts } from "./accounts.ts";
import { admission, type Admission } from "./admission.ts";
import { clamdService } from "./clamd-service.ts";
import type { Config } from "./config.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { aliasTables, type AliasTables } from "./delivery/alias-source.ts";
import { asksText } from "./checks/dnsxl.ts";
import type { MessageMeans } from "./checks/index.ts";
import { signer, type Signer } from "./engine/signing.ts";
import type { Bench, JudgeOptions } from "./engine/judge.ts";
import { notices, type Notices } from "./engine/notices.ts";
import { benchOf, deepening, nextBench, surroundings } from "./judging.ts";
import type { GreylistMeans } from "./checks/greylist.ts";
import { greylisting } from "./greylisting.ts";
import { heldMail, type HeldMail } from "./held-mail.ts";
import { heldNodes, type HeldNodes } from "./held-nodes.ts";
import { deliversHere } from "./housekeeping.ts";
import { localDelivery, type LocalDelivery } from "./local-delivery.ts";
import { policyService } from "./policy-service.ts";
import { relays, type Relays } from "./relays.ts";
import { lookups, type Lookups } from "./lookups.ts";
import type { Destination } from "./mail/destination.ts";
import type { Address } from "./mail/address.ts";
import type { RuleSource } from "./ruleset/source.ts";
import { scoring, hasMailToScore, type Scoring } from "./scoring.ts";
import type { Listener } from "./servers/listener.ts";
import { smtpService } from "./smtp-service.ts";
import { spamdService } from "./spamd-service.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import type { HostStore } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { spoolRoom } from "./sys/spool.ts";
import { virusScanning, type VirusScanning } from "./virus-scanning.ts";

/** Everything that listeners share. */
export class Rooms {
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
  readonly listener: ReturnType<typeof smtpService>;

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
    this.listener = this.servingSmtp();
    metrics.spoolBytes.set(0);
  }

  /** What mail would else wait for. */
  async ready(): Promise<void> {
    if (deliversHere(this.config)) await this.local.ready();
    if (hasMailToScore(this.config)) await this.scoring.engine?.ready();
  }

  private servingSmtp(): ReturnType<typeof smtpService> {
    const { config, deep, spool, admission, local, relays, quarantine, held } = this;
    return smtpService({
      ...{ config, deep, spool, admission, local, relays, quarantine, held },
      bench: () => this.bench,
      signer: () => this.signer,
      onCheck: this.onCheck,
      store: this.store,
      accounts: this.accounts,
      routeTo: (address) => this.routeTo(address),
      notices: this.notices,
      log: this.log,
      metrics: this.metrics,
    });
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
      admit: (octets) => this.admission.stream(octets),
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
      admit: (octets) => this.admission.stream(octets),
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

  /** Where our own mail to this address goes without being judged again; null = nowhere. */
  private routeTo(address: Address): Destination | null {
    return this.outgoing ?? (this.domains.has(address.domain) ? this.local.delivery : null);
  }
}
