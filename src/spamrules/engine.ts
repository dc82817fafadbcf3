// SpamAssassin's rules as a service of one process: a pool of threads that all hold one rule book, a deadline that kills, and what a
// killed thread still leaves. New rule files make a new engine; the old one is closed after its last message. Asked by the spam check
// and the spamd listener.
import { MessageChannel } from "node:worker_threads";
import { threads, type Ended, type Ran, type Threads } from "../sys/threads.ts";
import type {
  AboutRules,
  Answer,
  EngineData,
  EngineJob,
  EngineNote,
  Wanted,
} from "./engine-job.ts";
import { isWaiting, parley, type Outside } from "./engine-asks.ts";
import type { Proofs } from "./evals/eval.ts";
import { readProgress, progressMemory } from "./progress.ts";
import type { RuleHit } from "./verdict.ts";

export interface EngineOptions {
  /** The rule files, read once for all engines, and how they are understood. */
  readonly data: EngineData;
  /** Milliseconds that one message may take once it has a thread. */
  readonly deadlineMs: number;
  /** 1. */
  readonly threads?: number;
  /** Messages of one listener that may wait for a thread, as long as one may take; 64. */
  readonly queue?: number;
  /** MiB of each thread's heap; 192. The stock rules take 60; a large message some more. */
  readonly heapMiB?: number;
  onEnd?(ended: Ended, ms: number): void;
  onWaiting?(jobs: number): void;
  /** The module of the threads; a test brings its own. */
  readonly module?: URL;
}

export interface ScoreRequest extends Wanted {
  /** Milliseconds since 1970: the time of receipt. */
  readonly now: number;
  readonly proofs?: Proofs;
  /** Absent: Bayes is not asked. */
  readonly bayes?: Outside["bayes"];
  /** Absent: DNS is not asked. */
  readonly dns?: Outside["dns"];
  /** The listener it came in on: messages of several take turns. */
  readonly from?: string;
}

export interface SpamEngine {
  /** What the rules say of these octets, which are copied at once. Rejects never; `failed` says why there is no answer at all. */
  score(
    octets: readonly Uint8Array[],
    request: ScoreRequest,
    signal: AbortSignal | null,
  ): Promise<Answer | { readonly failed: string }>;
  /** Starts a thread and has it compile the rules, so that the first message need not wait. Resolves to what they are. */
  warm(): Promise<AboutRules | { readonly failed: string }>;
  /** Resolves once the messages under way have their answers and all threads have ended; new ones are refused. */
  close(): Promise<void>;
}

/** A job stops by itself at its deadline, between two rules; only one that hangs in a rule is killed, so much later. */
const KILL_AFTER_MS = 500;
/** Of a thread's heap, for what is new: left to itself V8 takes a hundred more, for a tenth less of work. */
const YOUNG_MIB = 24;
/** Octets of the notes of one message: each rule that hits writes its name and description. */
const NOTES_BYTES = 512 * 1024;
/** Compiling the rules, on a busy machine. */
const WARM_MS = 60_000;
const NO_PROOFS: Proofs = { spf: null, dkim: null, dmarc: null, arc: null };
const MODULE = new URL("./engine-thread.ts", import.meta.url);

export function spamEngine(options: EngineOptions): SpamEngine {
  return new Engine(options);
}

class Engine implements SpamEngine {
  readonly #options: EngineOptions;
  readonly #threads: Threads;
  readonly #under = new Set<Promise<unknown>>();
  /** Messages that wait for what their rules have asked; their threads hold all that was read of them. */
  #waiting = 0;
  #closed = false;

  constructor(options: EngineOptions) {
    const { data, module = MODULE, threads: count = 1, heapMiB = 192 } = options;
    this.#options = options;
    this.#threads = threads({
      ...options,
      data,
      module,
      threads: count,
      heapMiB,
      youngMiB: YOUNG_MIB,
      notesBytes: NOTES_BYTES,
    });
  }

  score(
    octets: readonly Uint8Array[],
    request: ScoreRequest,
    signal: AbortSignal | null,
  ): Promise<Answer | { readonly failed: string }> {
    if (this.#closed) return Promise.resolve({ failed: "the rules have been replaced" });
    const running = this.#score(octets, request, signal);
    this.#under.add(running);
    void running.finally(() => this.#under.delete(running));
    return running;
  }

  async warm(): Promise<AboutRules | { readonly failed: string }> {
    const job: EngineJob = { kind: "about" };
    const ran = await this.#threads.run(job, { deadlineMs: WARM_MS });
    return ran.ended === "done" ? (ran.value as AboutRules) : { failed: whyOf(ran) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#under);
    await this.#threads.close();
  }

  async #score(
    octets: readonly Uint8Array[],
    { now, proofs = NO_PROOFS, bayes = null, dns = null, from = "", ...wanted }: ScoreRequest,
    signal: AbortSignal | null,
  ): Promise<Answer | { readonly failed: string }> {
    const { deadlineMs, queue = 64 } = this.#options;
    const progress = progressMemory();
    const whole = joined(octets);
    const outside: Outside = { bayes, dns: this.#waiting < queue ? dns : null };
    const channel = bayes === null && outside.dns === null ? null : new MessageChannel();
    const asks = channel && {
      bayes: bayes !== null,
      dns: outside.dns !== null,
      port: channel.port2,
    };
    const job: EngineJob = {
      kind: "score",
      octets: whole,
      now,
      proofs,
      wanted,
      deadlineMs,
      progress,
      asks,
    };
    try {
      const ran = await this.#threads.run(job, {
        deadlineMs: deadlineMs + KILL_AFTER_MS,
        waitMs: deadlineMs,
        from,
        signal,
        transfer: channel === null ? [whole] : [whole, channel.port2],
      });
      if (ran.ended === "done" && isWaiting(ran.value) && channel !== null) {
        this.#waiting += 1;
        const patience = deadlineMs + KILL_AFTER_MS;
        const said = parley(channel.port1, ran.value.asks, outside, patience);
        const answer = await said.finally(() => (this.#waiting -= 1));
        return answer ?? leftBy(ran, progress) ?? { failed: "the rules: their thread has ended" };
      }
      if (ran.ended === "done") return ran.value as Answer;
      const left = ran.ended === "late" || ran.ended === "crashed" ? leftBy(ran, progress) : null;
      return left ?? { failed: whyOf(ran) };
    } catch (error) {
      return { failed: (error as Error).message };
    } finally {
      channel?.port1.close();
    }
  }
}

/** All pieces in memory of their own, to be given away. */
function joined(pieces: readonly Uint8Array[]): ArrayBuffer {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all.buffer;
}

/** What a killed job had found by then; null when it had not begun. */
function leftBy(ran: Ran, progress: SharedArrayBuffer): Answer | null {
  const hits = new Map<string, RuleHit>();
  let required: number | null = null;
  for (const text of ran.notes()) {
    const note = JSON.parse(text) as EngineNote;
    if ("required" in note) required = note.required;
    else if (!note.hit.rule.startsWith("__")) hits.set(note.hit.rule, note.hit);
  }
  if (required === null) return null;
  const found = [...hits.values()].sort((a, b) => (a.rule < b.rule ? -1 : 1));
  const total = found.reduce((sum, { score }) => sum + score, 0);
  return {
    total: Math.round(total * 1000) / 1000 + 0,
    required,
    hits: found,
    names: found.map(({ rule }) => rule),
    partial: { rule: readProgress(progress) },
    autolearn: "unavailable",
    bayes: null,
    tags: new Map(),
    report: null,
    mail: null,
  };
}

function whyOf({ ended, why }: Ran): string {
  if (ended === "refused" || ended === "aborted") return why;
  return ended === "late" ? `the rules ${why}` : `the rules: ${why}`;
}
