// The deep reading: what is inside the containers of a message, and what other readers see in it, added to its tree. Decides on the
// event loop whether there is anything to look into (mostly there is not, which costs nothing) and leaves the rest to threads.
import type { Body, Payload, Tree } from "../mail/message.ts";
import type { WalkLimits } from "../mail/mime.ts";
import { threads, type Ended, type Ran, type Threads } from "../sys/threads.ts";
import { nextTurn, shareLeft, spend } from "../sys/turn-share.ts";
import type { DeepLimits } from "./budget.ts";
import type { DeepNote } from "./deep-notes.ts";
import type { DeepJob, SentPayload } from "./deep-job.ts";
import { Graft } from "./graft.ts";
import { looksInto, type LooksInto } from "./looks-into.ts";
import { worthAnotherReading } from "./other-habits.ts";

export interface DeepOptions {
  readonly limits: DeepLimits;
  /** The limits that the first tree was read with: the parts must come out the same. */
  readonly walk: WalkLimits;
  /** Where threads keep large members, in files without a name. */
  readonly directory: string;
  readonly threads?: number;
  readonly queue?: number;
  /** Octets of what one message's reading may tell; see sys/threads.ts. */
  readonly notesBytes?: number;
  /** Told about each job that ended, with its milliseconds, and how many wait. */
  onEnd?(ended: Ended, ms: number): void;
  onWaiting?(jobs: number): void;
  /** The module of the threads and the formats that it reads; a test brings its own. */
  readonly module?: URL;
  readonly looks?: LooksInto;
}

export interface DeepReading {
  /**
   * The tree with what is inside its parts; the same tree when there is nothing to look into. What could not be looked into is told
   * in `unread` and as defects; it never rejects for what the octets are. `body` must stay until it resolves.
   */
  deepen(tree: Tree, body: Body, signal?: AbortSignal | null): Tree | Promise<Tree>;
  /** Kills what runs. */
  close(): Promise<void>;
}

/** A thread ends by itself at its time limit; only one that does not is killed, so much later. */
const KILL_AFTER_MS = 1000;
const MODULE = new URL("./deep-thread.ts", import.meta.url);

export function deepReading(options: DeepOptions): DeepReading {
  return new Deep(options);
}

class Deep implements DeepReading {
  readonly #options: DeepOptions;
  readonly #threads: Threads;
  readonly #looks: LooksInto;

  constructor(options: DeepOptions) {
    const { module = MODULE, looks = looksInto() } = options;
    this.#options = options;
    this.#looks = looks;
    this.#threads = threads({ ...options, module });
  }

  deepen(tree: Tree, body: Body, signal: AbortSignal | null = null): Tree | Promise<Tree> {
    if (!tree.parts.some((part) => this.#looks.wants(part)) && !worthAnotherReading(tree.parts))
      return tree;
    return this.#read(tree, body, signal);
  }

  close(): Promise<void> {
    return this.#threads.close();
  }

  async #read(tree: Tree, body: Body, signal: AbortSignal | null): Promise<Tree> {
    const { limits, walk, directory } = this.#options;
    const file = body.bytes === null ? (body.lendFile?.() ?? null) : null;
    try {
      const octets = file === null ? await octetsIn(body) : null;
      const job: DeepJob = {
        octets,
        descriptor: file?.descriptor ?? -1,
        size: body.size,
        walk,
        limits,
        directory,
      };
      const ran = await this.#threads.run(job, {
        deadlineMs: limits.ms + KILL_AFTER_MS,
        signal,
        transfer: octets === null ? [] : [octets],
      });
      return await grafted(tree, ran);
    } finally {
      file?.release();
    }
  }
}

/** All octets in one piece, to be given away. */
async function octetsIn(body: Body): Promise<ArrayBuffer> {
  const all = new Uint8Array(body.size);
  let at = 0;
  const put = (octets: Buffer): void => {
    all.set(octets.subarray(0, all.length - at), at);
    at += octets.length;
  };
  if (body.bytes !== null) body.bytes.forEach(put);
  else for await (const octets of body.lend?.() ?? body.open()) put(octets);
  return all.buffer;
}

/** Adds what a job left, in short steps. */
async function grafted(tree: Tree, ran: Ran): Promise<Tree> {
  const graft = new Graft(tree);
  for (const note of ran.notes()) {
    if (shareLeft() <= 0) await nextTurn();
    const start = performance.now();
    graft.take(JSON.parse(note) as DeepNote);
    spend(performance.now() - start);
  }
  if (ran.overflowed) graft.unread("more was found than there is room to tell");
  if (ran.ended === "late" || ran.ended === "aborted")
    graft.cut("container-too-slow", `the deep reading ${ran.why}`);
  else if (ran.ended !== "done") graft.cut("container-broken", `the deep reading: ${ran.why}`);
  const payloads = (ran.sent as readonly SentPayload[]).map(({ path, octets }): Payload => ({
    path,
    octets: Buffer.from(octets),
  }));
  return graft.tree(payloads);
}
