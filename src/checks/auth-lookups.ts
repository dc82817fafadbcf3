// DNS for one message: the resolver that is handed in, with a deadline, a bound on questions and answers, and no question asked
// twice. mailauth knows the errors by Node's codes (ENOTFOUND, ENODATA, ETIMEOUT, …). Used by auth.ts and auth-spf.ts.

/** As mailauth asks: TXT → string[][], A, AAAA and PTR → string[], MX → {exchange, priority}[]. Rejects with a `code`. */
export type Resolver = (name: string, type: string) => Promise<readonly unknown[]>;

export interface Lookups {
  readonly resolve: Resolver;
  /** To be called at the end: what is still asked then fails, and nobody waits. */
  end(): void;
}

export interface LookupLimits {
  /** Milliseconds for all questions together; afterwards every one fails with ETIMEOUT. */
  readonly deadlineMs: number;
  readonly maxQuestions: number;
  readonly signal: AbortSignal;
}

/** More records, or more octets of TXT, than any mail policy needs; DNS over TCP can carry 64 KiB of them. */
const MAX_RECORDS = 200;
const MAX_TEXT = 32 * 1024;
const MAX_NAME = 253;

export function lookups(resolver: Resolver, limits: LookupLimits): Lookups {
  const answers = new Map<string, Promise<readonly unknown[]>>();
  let fail: (error: Error) => void = () => {};
  const over = new Promise<never>((_, reject) => (fail = reject));
  over.catch(() => {
    // Nobody may be asking when the time is up.
  });
  const timeUp = (): void => fail(dnsError("ETIMEOUT", "the time for DNS is up"));
  const timer = setTimeout(timeUp, limits.deadlineMs);
  if (limits.signal.aborted) timeUp();
  else limits.signal.addEventListener("abort", timeUp, { once: true });

  const ask = (name: string, type: string): Promise<readonly unknown[]> => {
    if (answers.size >= limits.maxQuestions)
      return Promise.reject(dnsError("ETIMEOUT", "too many DNS questions"));
    if (name.length > MAX_NAME || name === "")
      return Promise.reject(dnsError("ENOTFOUND", "no domain name"));
    return Promise.race([over, bounded(resolver, name, type)]);
  };
  return {
    resolve(name, type) {
      const key = `${type} ${name.toLowerCase()}`;
      let answer = answers.get(key);
      if (answer === undefined) {
        answer = ask(name, type);
        answer.catch(() => {
          // Whoever asked gets a copy of the error below.
        });
        answers.set(key, answer);
      }
      // mailauth sorts lists in place and writes on errors: everybody gets copies.
      return answer.then(
        (list) => [...list],
        (cause: unknown) => Promise.reject(copied(cause)),
      );
    },
    end() {
      clearTimeout(timer);
      limits.signal.removeEventListener("abort", timeUp);
      timeUp();
    },
  };
}

async function bounded(
  resolver: Resolver,
  name: string,
  type: string,
): Promise<readonly unknown[]> {
  const list: unknown = await resolver(name, type);
  if (!isList(list)) return [];
  let octets = 0;
  if (type === "TXT") for (const row of list) octets += textLength(row);
  if (list.length > MAX_RECORDS || octets > MAX_TEXT)
    throw dnsError("EBADRESP", "the answer is too large");
  return list;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function textLength(row: unknown): number {
  if (Array.isArray(row)) return row.reduce((sum: number, text) => sum + textLength(text), 0);
  return typeof row === "string" ? row.length : 0;
}

function copied(cause: unknown): Error {
  const code = (cause as { code?: unknown } | null)?.code;
  const text = cause instanceof Error ? cause.message : "DNS failure";
  return dnsError(typeof code === "string" ? code : "ESERVFAIL", text);
}

function dnsError(code: string, text: string): Error {
  return Object.assign(new Error(text), { code });
}
