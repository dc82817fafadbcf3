// The virus scanner: several clamds in the operator's order, the next one asked when one fails, a bound on how many scans run at
// once. Called by the virus check. Knows outcomes, not what they mean for mail.
import type { Body } from "../mail/message.ts";
import { gate } from "../sys/gate.ts";
import type { Endpoint } from "./endpoint.ts";
import { scanError, type ClamdVersion, type ScanReply } from "./clamd-reply.ts";
import { scanOverTcp } from "./clamd-tcp.ts";
import { scanOverUnix, type ScanLimits } from "./clamd-unix.ts";
import { watched, type Watched } from "./clamd-watch.ts";

export interface ClamdOptions {
  readonly endpoints: readonly Endpoint[];
  /** Scans at once, over all endpoints; more wait. */
  readonly inFlight: number;
  /** Told why one rests; null when it can be asked again. */
  readonly onHealth: (endpoint: Endpoint, why: string | null) => void;
  readonly onVersion: (endpoint: Endpoint, version: ClamdVersion) => void;
  /** Tests shorten these. */
  readonly times?: Partial<typeof TIMES>;
}

export interface Clamd {
  /**
   * What the first clamd that answers says about the octets. Never rejects; ends when performance.now() is `until`, or when the
   * signal aborts, with an error that names every endpoint that was asked.
   */
  scan(body: Body, until: number, signal: AbortSignal): Promise<ScanReply>;
  close(): void;
}

const TIMES = {
  connectMs: 2_000,
  pingEveryMs: 2_000,
  pingMs: 2_000,
  versionEveryMs: 300_000,
  /** A scan that lasts longer makes us ask the same clamd for a PONG, again and again. */
  doubtMs: 1_000,
};

/** With less time than this nobody is asked. */
const LEAST_MS = 5;

export function clamd(options: ClamdOptions): Clamd {
  const times = { ...TIMES, ...options.times };
  const { onHealth, onVersion } = options;
  const all = options.endpoints.map((endpoint) =>
    watched(endpoint, { ...times, onHealth, onVersion }),
  );
  const door = gate(options.inFlight);
  return {
    async scan(body, until, signal) {
      if (!all.some(isUp)) return failed(all);
      const patience = until - performance.now();
      const pass = door.tryEnter() ?? (await door.enter(Math.max(0, patience)));
      if (pass === null) return scanError(`${options.inFlight} scans were under way all the time`);
      try {
        return await scanSomewhere(all, body, until, signal, times);
      } finally {
        pass();
      }
    },
    close() {
      for (const one of all) one.close();
    },
  };
}

const isUp = ({ resting }: Watched): boolean => resting === null;

function failed(all: readonly Watched[]): ScanReply {
  const words = all.map(
    ({ endpoint, resting }) => `${endpoint.name}: ${resting ?? "no time left"}`,
  );
  return scanError(words.join("; "));
}

async function scanSomewhere(
  all: readonly Watched[],
  body: Body,
  until: number,
  signal: AbortSignal,
  times: typeof TIMES,
): Promise<ScanReply> {
  const asked: string[] = [];
  for (const one of all) {
    if (!isUp(one)) continue;
    if (signal.aborted || until - performance.now() < LEAST_MS) break;
    const others = all.filter((other) => other !== one);
    const reply = await attempt(one, others, body, until, signal, times);
    if (reply.kind !== "error") return reply;
    asked.push(`${one.endpoint.name}: ${reply.why}`);
    if (reply.unreachable === true) one.rest(reply.why);
    else if (!signal.aborted) one.doubt();
  }
  if (signal.aborted) return scanError("given up");
  return asked.length === 0 ? failed(all) : scanError(asked.join("; "));
}

/** One scan by one clamd. It is broken off for another one when this one falls silent; a slow scan is left alone. */
async function attempt(
  one: Watched,
  others: readonly Watched[],
  body: Body,
  until: number,
  signal: AbortSignal,
  times: typeof TIMES,
): Promise<ScanReply> {
  const breaker = new AbortController();
  const stop = (): void => breaker.abort();
  signal.addEventListener("abort", stop, { once: true });
  let silent = false;
  const doubts = setInterval(() => {
    silent = !isUp(one) && others.some(isUp);
    if (silent) stop();
    else one.doubt();
  }, times.doubtMs);
  const left = until - performance.now();
  try {
    const reply = await scanAt(one.endpoint, body, {
      connectMs: Math.min(times.connectMs, left),
      deadlineMs: left,
      signal: breaker.signal,
    });
    return silent && reply.kind === "error" ? scanError(one.resting ?? reply.why) : reply;
  } finally {
    clearInterval(doubts);
    signal.removeEventListener("abort", stop);
  }
}

function scanAt({ at }: Endpoint, body: Body, limits: ScanLimits): Promise<ScanReply> {
  if ("path" in at) return scanOverUnix(at.path, body.lend?.() ?? body.open(), limits);
  return scanOverTcp(at, body.open(), limits);
}
