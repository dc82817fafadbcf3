// The spam scorer: several spamds in the operator's order, the next one asked when one fails, a bound on how many questions are
// under way. One that gave no answer is not asked again before it answers a PING, so that no message waits for it.
import type { Body } from "../mail/message.ts";
import { gate } from "../sys/gate.ts";
import type { Endpoint } from "./endpoint.ts";
import { askPing, askReport } from "./spamd-exchange.ts";
import { failure, type SpamdFailure, type SpamdReply, type SpamdScored } from "./spamd-reply.ts";

export interface SpamdOptions {
  readonly endpoints: readonly Endpoint[];
  /** Milliseconds for one message: waiting for a place and all endpoints together. */
  readonly deadlineMs: number;
  /** Questions at once, over all endpoints; more wait. spamd itself takes --max-children (5). */
  readonly inFlight: number;
  /** Told what came of each message. */
  onResult(result: "scored" | SpamdFailure["failed"]): void;
  /** Told when an endpoint is put to rest (why), and when it is asked again (null). */
  onHealth(endpoint: Endpoint, why: string | null): void;
  /** Tests shorten these. */
  readonly times?: Partial<typeof TIMES>;
}

export interface Spamd {
  /**
   * What the first spamd that answers says about the message. Never rejects; ends by the deadline or when the signal aborts,
   * with an error that names every endpoint that was asked.
   */
  score(
    body: Body,
    user: string | null,
    signal: AbortSignal,
  ): Promise<SpamdFailure | (SpamdScored & { readonly endpoint: string })>;
}

const TIMES = {
  connectMs: 2_000,
  /** A PING waits for a free child like any message. */
  pingMs: 5_000,
  /** Between two PINGs to one that rests. Only mail makes us ask. */
  pingEveryMs: 5_000,
};

/** With less time than this nothing is begun: it would only look as if spamd had been silent. */
const MIN_LEFT_MS = 100;

export function spamd(options: SpamdOptions): Spamd {
  const times = { ...TIMES, ...options.times };
  const all = options.endpoints.map((endpoint) => new Post(endpoint, times, options));
  const door = gate(options.inFlight);
  return {
    async score(body, user, signal) {
      const until = performance.now() + options.deadlineMs;
      const pass = door.tryEnter() ?? (await door.enter(options.deadlineMs));
      if (pass === null) {
        options.onResult("busy");
        return failure("busy", `${options.inFlight} messages were being scored all the time`);
      }
      try {
        const reply = await somewhere(all, body, user, until, signal, times.connectMs);
        options.onResult(reply.kind === "scored" ? "scored" : reply.failed);
        return reply;
      } finally {
        pass();
      }
    },
  };
}

async function somewhere(
  all: readonly Post[],
  body: Body,
  user: string | null,
  until: number,
  signal: AbortSignal,
  connectMs: number,
): ReturnType<Spamd["score"]> {
  const failures: string[] = [];
  let last: SpamdFailure["failed"] = "busy";
  const awake = all.filter((post) => post.resting === null);
  for (const post of all) if (!awake.includes(post)) post.wake();
  for (const [n, post] of awake.entries()) {
    const left = until - performance.now();
    if (left < MIN_LEFT_MS || signal.aborted) break;
    // One that falls silent must leave time for the others.
    const deadlineMs = Math.max(1, left / (awake.length - n));
    const limits = { connectMs: Math.min(connectMs, deadlineMs), deadlineMs, signal };
    const reply: SpamdReply = await askReport(post.endpoint.at, body, user, limits);
    if (reply.kind === "scored") return { ...reply, endpoint: post.endpoint.name };
    last = reply.failed;
    failures.push(`${post.endpoint.name}: ${reply.why}`);
    if (reply.failed === "given-up") break;
    if (reply.failed === "silent") post.doubt();
  }
  if (awake.length === 0) {
    last = "silent";
    failures.push(...all.map(({ endpoint, resting }) => `${endpoint.name}: ${resting}`));
  }
  if (signal.aborted) last = "given-up";
  return failure(
    last,
    failures.join("; ") || (signal.aborted ? "given up" : "its turn came too late"),
  );
}

/** One spamd and whether it is worth asking. */
class Post {
  readonly endpoint: Endpoint;
  /** Why it is not asked; null when it is. */
  resting: string | null = null;
  readonly #times: typeof TIMES;
  readonly #told: Pick<SpamdOptions, "onHealth">;
  #asking = false;
  #nextPing = 0;

  constructor(endpoint: Endpoint, times: typeof TIMES, told: Pick<SpamdOptions, "onHealth">) {
    this.endpoint = endpoint;
    this.#times = times;
    this.#told = told;
  }

  /** It gave no answer in time: was the message slow, or is it stuck? */
  doubt(): void {
    if (this.resting === null) this.#ping();
  }

  /** Looks whether one that rests answers again, now and then; nobody waits for it. */
  wake(): void {
    if (performance.now() >= this.#nextPing) this.#ping();
  }

  #ping(): void {
    if (this.#asking) return;
    this.#asking = true;
    void askPing(this.endpoint.at, this.#times.pingMs).then((trouble) => {
      this.#asking = false;
      this.#nextPing = performance.now() + this.#times.pingEveryMs;
      if ((trouble === null) === (this.resting === null)) return;
      this.resting = trouble === null ? null : `resting, no answer to PING (${trouble})`;
      this.#told.onHealth(this.endpoint, this.resting);
    });
  }
}
