// The main side of what rules ask outside of their thread: takes the questions at a port, has them answered, and hands the answers back
// until the thread has made up its mind. Used by engine.ts.
import type { MessagePort } from "node:worker_threads";
import type { Answer, BayesAnswer, DnsLookup, Enquiry, Parley, Waiting } from "./engine-job.ts";
import type { Replies } from "./evals/dns.ts";

/** Whom a message may ask, made for it alone. */
export interface Outside {
  /** What was learned of a message with these tokens; null: too little was learned to ask. A failure counts as null. */
  readonly bayes: ((ids: readonly number[]) => Promise<BayesAnswer>) | null;
  /** Asks DNS for as long; what has no reply was not answered. null: only local tests. */
  readonly dns: ((lookups: readonly DnsLookup[], ms: number) => Promise<Replies>) | null;
}

/**
 * Resolves to the answer; null when the thread is gone, or says nothing for `patienceMs` although it has all that it asked for. The port
 * is closed by then.
 */
export async function parley(
  port: MessagePort,
  first: Enquiry,
  outside: Outside,
  patienceMs: number,
): Promise<Answer | { readonly failed: string } | null> {
  let [asked, silent] = [0, 0];
  const gone = new Promise<null>((resolve) => port.once("close", () => resolve(null)));
  try {
    for (let asks = first; ;) {
      const answers = Promise.all([
        asks.tokens === null ? null : learned(outside, asks),
        asks.lookups.length === 0 ? NOTHING : looked(outside, asks),
      ]);
      const answered = await Promise.race([answers, gone]);
      if (answered === null) return null;
      const [bayes, replies] = answered;
      asked += asks.lookups.length;
      silent += asks.lookups.filter(({ key }) => !replies.has(key)).length;
      const said = heard(port, patienceMs);
      port.postMessage({ bayes, replies });
      const parleyed = await Promise.race([said, gone]);
      if (parleyed === null || "failed" in parleyed) return parleyed;
      if ("answer" in parleyed)
        return asked === 0 ? parleyed.answer : { ...parleyed.answer, dns: { asked, silent } };
      ({ asks } = parleyed);
    }
  } finally {
    port.close();
  }
}

export const isWaiting = (value: unknown): value is Waiting =>
  typeof value === "object" && value !== null && "asks" in value;

const NOTHING: Replies = new Map();
const SLACK_MS = 100;

/** null too when nobody answers in time. */
async function learned({ bayes }: Outside, { tokens, ms }: Enquiry): Promise<BayesAnswer> {
  if (bayes === null || tokens === null) return null;
  return within(
    bayes(tokens).catch(() => null),
    ms,
    null,
  );
}

async function looked({ dns }: Outside, { lookups, ms }: Enquiry): Promise<Replies> {
  if (dns === null) return NOTHING;
  // Whoever is asked minds the time too, and then still has what has come by then.
  return within(
    dns(lookups, ms).catch(() => NOTHING),
    ms + SLACK_MS,
    NOTHING,
  );
}

function within<T>(answer: Promise<T>, ms: number, late: T): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(late), ms);
    void answer.then(resolve).finally(() => clearTimeout(timer));
  });
}

/** What comes next at a port; null when in time nothing comes. */
function heard(port: MessagePort, ms: number): Promise<Parley | null> {
  return new Promise((resolve) => {
    const end = (message: Parley | null): void => {
      clearTimeout(timer);
      port.off("message", end);
      resolve(message);
    };
    const timer = setTimeout(() => end(null), ms);
    port.on("message", end);
  });
}
