// The training folders of a configuration: now and then one worker of this host goes through the folders of the mailboxes that are named,
// and lets Bayes forget tokens of no use. Wired by scoring.ts in every worker; a lease lets one of them work.
import { hash } from "node:crypto";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { parseUser, userTable, type UserTable } from "./delivery/users.ts";
import { parseAddress } from "./mail/address.ts";
import { teacher, type Teacher } from "./learning.ts";
import { errorText } from "./ruleset/errors.ts";
import type { EngineData } from "./spamrules/engine-job.ts";
import { instanceLock } from "./state/lock.ts";
import type { HostStore } from "./state/store.ts";
import type { Log } from "./sys/log.ts";
import type { Metrics } from "./sys/metrics.ts";
import { trainingRound, type RoundMeans, type TrainingFolders } from "./training-round.ts";

export interface Training {
  start(): void;
  /** One round over everything, now. */
  round(): Promise<void>;
  stop(): Promise<void>;
}

export interface TrainingRooms {
  readonly config: Config;
  readonly store: Pick<HostStore, "tokens" | "filed" | "rates">;
  /** The engine's rules; null: postern does not score, and learns nothing. */
  readonly data: EngineData | null;
  readonly log: Log;
  readonly metrics: Metrics;
}

type Entry = Config["training"][number];

/** How often it is asked whose turn it is, at most and at least; twice in the shortest period otherwise. */
const TICK_MS = 60_000;
const MIN_TICK_MS = 500;
const EXPIRE_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
const MAX_MAILBOXES = 100_000;

export function training(rooms: TrainingRooms): Training {
  return new Trainer(rooms);
}

/** The same, looking at its folders from now on. */
export function startTraining(rooms: TrainingRooms): Training {
  const made = training(rooms);
  made.start();
  return made;
}

class Trainer implements Training {
  readonly #rooms: TrainingRooms;
  readonly #teacher: Teacher | null;
  readonly #users: UserTable;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;

  constructor(rooms: TrainingRooms) {
    const { config, data, store, log } = rooms;
    this.#rooms = rooms;
    this.#teacher = data === null ? null : teacher(config, data, store.tokens, 1);
    this.#users = userTable({
      file: config.delivery.users,
      mailRoot: config.delivery.mail_root,
      report: (problems) => problems.forEach((problem) => log.error(errorText(problem))),
    });
  }

  start(): void {
    if (this.#teacher === null || !this.#rooms.config.bayes.enabled) return;
    this.#timer = setInterval(() => {
      this.#running ??= this.#tick()
        .catch((error: Error) => this.#rooms.log.warn(`training: ${error.message}`))
        .finally(() => (this.#running = null));
    }, tickOf(this.#rooms.config));
    this.#timer.unref();
  }

  async round(): Promise<void> {
    for (const entry of this.#rooms.config.training) await this.#entry(entry);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#teacher?.close();
    await this.#running;
  }

  async #tick(): Promise<void> {
    if (await this.#mine("expire", EXPIRE_EVERY_MS)) await this.#expire();
    for (const [n, entry] of this.#rooms.config.training.entries())
      if (await this.#mine(String(n), entry.every)) await this.#entry(entry);
  }

  /** One worker of this host, once in a period. */
  async #mine(what: string, every: number): Promise<boolean> {
    const { server, delivery } = this.#rooms.config;
    const place = hash("sha256", `${server.node} ${delivery.mail_root}`, "hex").slice(0, 16);
    const key = `training-lease ${place} ${what}`;
    return (await this.#rooms.store.rates.take(key, "", 1, 1, every, Date.now())).allowed;
  }

  async #expire(): Promise<void> {
    const { config, store, log } = this.#rooms;
    const gone = await store.tokens.expire(config.bayes.max_tokens, Date.now());
    if (gone > 0) log.info(`bayes: ${gone} tokens of no use for long were forgotten`);
  }

  /** Nothing while another worker is at it still: a lease says whose turn it is, and not when a long round has ended. */
  async #entry(entry: Entry): Promise<void> {
    const { state_dir: directory } = this.#rooms.config.server;
    const lock = instanceLock(join(directory, "training.lock"));
    try {
      if (lock !== null) await this.#mailboxes(entry);
    } finally {
      lock?.release();
    }
  }

  async #mailboxes(entry: Entry): Promise<void> {
    const { config, log } = this.#rooms;
    const teaching = this.#teacher;
    if (teaching === null) return;
    const means = this.#means(entry, teaching);
    const { mail_root: mailRoot } = config.delivery;
    for (const [address, mailbox] of await mailboxesOf(entry, mailRoot, this.#users)) {
      if (this.#stopping.signal.aborted) return;
      await trainingRound(address, mailbox, foldersOf(entry), means).catch((error: Error) =>
        log.warn(`training: ${address}: ${error.message}`),
      );
    }
  }

  #means(entry: Entry, teaching: Teacher): RoundMeans {
    const { config, store, metrics } = this.#rooms;
    const allowed = async (address: string): Promise<boolean> => {
      const key = `training ${address}`;
      return (await store.rates.take(key, "", 1, entry.per_day, DAY_MS, Date.now())).allowed;
    };
    return {
      mailRoot: config.delivery.mail_root,
      teacher: teaching,
      tokens: store.tokens,
      filed: store.filed,
      allowed,
      onResult: (result) => metrics.bayesLessons.inc({ result }),
      signal: this.#stopping.signal,
      now: () => Date.now(),
    };
  }
}

const tickOf = ({ training: entries }: Config): number =>
  Math.max(MIN_TICK_MS, Math.min(TICK_MS, ...entries.map(({ every }) => every / 2)));

const foldersOf = (entry: Entry): TrainingFolders => ({
  spam: entry.spam_folders,
  ham: entry.ham_folders,
  junk: entry.junk_folder ?? null,
  trash: entry.trash_folders,
  maxAge: entry.max_age,
});

/** Addresses with their Maildirs: those that are named, and those of the users file that a pattern fits. */
async function mailboxesOf(
  { mailboxes }: Entry,
  mailRoot: string,
  users: UserTable,
): Promise<ReadonlyMap<string, string>> {
  const known = await users.current();
  const found = new Map<string, string>();
  for (const text of mailboxes) {
    const name = text.toLowerCase();
    if (!name.includes("*")) {
      const user =
        known.get(name) ?? (parseAddress(name) === null ? "" : parseUser(name, mailRoot));
      if (typeof user !== "string") found.set(name, user.mailbox);
      continue;
    }
    const pattern = new RegExp(
      `^${name
        .split("*")
        .map((piece) => piece.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
        .join("[^@]*")}$`,
    );
    for (const { address, mailbox } of known.values())
      if (found.size < MAX_MAILBOXES && pattern.test(address)) found.set(address, mailbox);
  }
  return found;
}
