// One node among several: keeps the shared index of what is held here, and carries out what other nodes ask. Wired by app.ts in
// every worker; without a Redis it does nothing. Whatever the index misses while Redis is away, the next round puts right.
import { randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { readOrder, type HeldAnswer } from "./engine/held-order.ts";
import { carryOut, type HeldMeans } from "./engine/held-requests.ts";
import { indexer, type Indexer } from "./indexer.ts";
import type { Destination } from "./mail/destination.ts";
import { quarantine, type Quarantine } from "./mailstore/quarantine.ts";
import { requestNotes, type RequestNotes } from "./mailstore/request-notes.ts";
import { releaseRelay, type Relays } from "./relays.ts";
import type { Request, SharedNodes } from "./state/shared-nodes.ts";
import type { Store } from "./state/store.ts";
import { mailId } from "./sys/ids.ts";
import type { Log } from "./sys/log.ts";

export interface NodeRooms {
  readonly config: Config;
  readonly store: Store;
  /** The ways out of a release; not asked before the first one. */
  readonly relays: () => Relays;
  readonly local: () => Destination;
  readonly log: Log;
}

export interface HeldNodes {
  /** The quarantine of this node; what changes through it goes to the index. */
  readonly quarantine: Quarantine;
  /** Finishes the request under way. */
  stop(): Promise<void>;
}

const POLL_MS = 500;
/** Between words that we are alive, and between looks for what a dead process left. */
const ROUND_MS = 5_000;
/** A process that has not said for so long that it is at work on a request is dead. */
const ABANDONED_MS = 15_000;
const NOTES_MS = 86_400_000;

export function heldNodes(rooms: NodeRooms): HeldNodes {
  const { config, store, log } = rooms;
  const kept = quarantine({
    directory: config.quarantine.dir,
    warn: (text) => log.error(text),
  });
  if (store.nodes === undefined) return { quarantine: kept, stop: async () => {} };
  const warn = (error: unknown): void =>
    log.warn(`nodes: ${error instanceof Error ? error.message : String(error)}`);
  const { node, state_dir: stateDir } = config.server;
  const keeping = indexer({
    index: store.nodes.index,
    node,
    quarantine: kept,
    directory: config.quarantine.dir,
    maxAgeMs: config.quarantine.max_age,
    warn,
  });
  const notes = requestNotes(join(stateDir, "requests"));
  const means: HeldMeans = {
    quarantine: keeping.quarantine,
    notes,
    destination: (nextHop) => {
      const relay = releaseRelay(config, nextHop);
      return relay === "local" ? rooms.local() : rooms.relays().to(relay);
    },
    hostname: config.server.hostname,
    now: () => new Date(),
    newMailId: mailId,
    log: (line) => log.message([line], () => ({ text: line })),
    deadlineMs: config.limits.budget_after_queue,
  };
  const service = new Service(store.nodes, node, stateDir, keeping, notes, means, log);
  service.start();
  return { quarantine: keeping.quarantine, stop: () => service.stop() };
}

class Service {
  readonly #nodes: SharedNodes;
  readonly #node: string;
  readonly #stateDir: string;
  readonly #keeping: Indexer;
  readonly #notes: RequestNotes;
  readonly #means: HeldMeans;
  readonly #log: Log;
  readonly #consumer = `${process.pid}-${randomUUID().slice(0, 8)}`;
  #timer: NodeJS.Timeout | null = null;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  #serving: Promise<void> | null = null;
  #round = -Infinity;
  #swept = -Infinity;
  /** Another installation has our name; told once. */
  #foreign = false;
  /** Redis did not answer; told once, since openStore tells too. */
  #away = false;

  constructor(
    nodes: SharedNodes,
    node: string,
    stateDir: string,
    keeping: Indexer,
    notes: RequestNotes,
    means: HeldMeans,
    log: Log,
  ) {
    this.#nodes = nodes;
    this.#node = node;
    this.#stateDir = stateDir;
    this.#keeping = keeping;
    this.#notes = notes;
    this.#means = means;
    this.#log = log;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#work = this.#tick().finally(() => this.start());
    }, POLL_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#work;
    await this.#serving;
    // What Redis does not hear now, the next start tells it.
    await this.#keeping.flush().catch(() => undefined);
  }

  async #tick(): Promise<void> {
    try {
      const now = performance.now();
      const round = now - this.#round > ROUND_MS;
      if (round) {
        this.#round = now;
        await this.#hold();
      }
      if (this.#foreign) return;
      if (this.#serving === null) await this.#look(round);
      await this.#keeping.flush();
      if (round) await this.#keeping.round();
      if (round && now - this.#swept > NOTES_MS) {
        this.#swept = now;
        await this.#notes.sweep(NOTES_MS, new Date());
      }
      this.#away = false;
    } catch (error) {
      if (!this.#away)
        this.#log.warn(
          `nodes: ${error instanceof Error ? error.message : String(error)}; other nodes cannot reach what is held here until it is back`,
        );
      this.#away = true;
    }
  }

  /** Says that we are here; notices a second installation with our name. */
  async #hold(): Promise<void> {
    const instance = await instanceOf(this.#stateDir);
    const ours = await this.#nodes.index.here(this.#node, instance, Date.now());
    if (!ours && !this.#foreign)
      this.#log.error(
        `nodes: another postern is called ${this.#node}: set [server] node, or neither can be told from the other`,
      );
    this.#foreign = !ours;
  }

  /** Takes the next request, one at a time; a long release holds up nothing else. */
  async #look(round: boolean): Promise<void> {
    const { requests } = this.#nodes;
    const request =
      (await requests.next(this.#node, this.#consumer, null)) ??
      (round ? await requests.next(this.#node, this.#consumer, ABANDONED_MS) : null);
    if (request === null) return;
    this.#serving = this.#serve(request)
      .catch((error: unknown) => {
        // It is still ours: taken up again when it counts as abandoned.
        const why = error instanceof Error ? error.message : String(error);
        this.#log.warn(`nodes: request ${request.number} is not answered yet: ${why}`);
      })
      .finally(() => {
        this.#serving = null;
      });
  }

  async #serve({ number, text }: Request): Promise<void> {
    const { requests } = this.#nodes;
    const order = readOrder(text);
    const alive = setInterval(() => {
      // What fails now is tried again before anybody takes us for dead.
      requests.keep(this.#node, number, this.#consumer).catch(() => undefined);
    }, ROUND_MS);
    try {
      const answer: HeldAnswer =
        order === null
          ? { done: false, lines: ["this node does not understand the request: same version?"] }
          : await carryOut(order, this.#means);
      await requests.done(this.#node, number, JSON.stringify(answer));
    } finally {
      clearInterval(alive);
    }
  }
}

/** What tells this installation from others: a name in state_dir, made at first use. */
async function instanceOf(stateDir: string): Promise<string> {
  const file = join(stateDir, "instance");
  const read = async (): Promise<string> => (await readFile(file, "utf8").catch(() => "")).trim();
  const known = await read();
  if (known !== "") return known;
  const staged = `${file}.${randomUUID()}`;
  await writeFile(staged, `${randomUUID()}\n`, { mode: 0o640 });
  await rename(staged, file);
  return read();
}
