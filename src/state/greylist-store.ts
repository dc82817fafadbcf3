// What greylisting remembers, and the rule by which a triplet waits and passes. `weigh` is that rule, pure; every store applies
// it (the Redis store in Lua) and the contract suite holds them to one another. Asked by checks/greylist.ts.

/** Spans in milliseconds. */
export interface GreylistTimes {
  /** How long a new triplet waits. */
  readonly delay: number;
  /** How long after its first try a triplet may come back; then it is new again. */
  readonly window: number;
  /** How long an accepted triplet, or a client on the white-list, is remembered after its last mail. */
  readonly lifetime: number;
  /** Accepted triplets after which a client waits no more; 0 = never. */
  readonly autoWhitelist: number;
  /** A client gains at most one accepted triplet in this time. */
  readonly countEvery: number;
}

/** One sender, one recipient, and all that identifies where the mail comes from: any one origin that waited is enough. */
export interface GreylistQuestion {
  /** Normalised sender, "" for the null sender. */
  readonly sender: string;
  readonly recipient: string;
  /** "net:192.0.2.0/24", "dom:example.org", "dkim:example.org", "body:…"; at least one. */
  readonly origins: readonly string[];
  /** Names on the automatic white-list: "net:192.0.2.0/24", "dom:example.org example.com". */
  readonly clients: readonly string[];
  /** A sender that passes if our users wrote to it; null = do not ask. */
  readonly person: string | null;
}

/**
 * person: our users wrote to the sender. client: the client is on the automatic white-list. new: first try. early: back too
 * soon. accepted: waited long enough, just now. passed: was accepted earlier.
 */
export type GreylistResult = "person" | "client" | "new" | "early" | "accepted" | "passed";

export interface GreylistAnswer {
  readonly result: GreylistResult;
  /** Milliseconds until a retry passes; 0 unless new or early. */
  readonly missing: number;
  /** First try of the triplet, 0 = there is no record. */
  readonly first: number;
  /** When the triplet was accepted, 0 = not yet. `passed - first` is how long it was delayed. */
  readonly passed: number;
  /** Tries before it was accepted, this one included. */
  readonly attempts: number;
}

/** One line of `postern greylist list`. Times in milliseconds since the epoch. */
export interface GreylistRecord extends TripletState {
  readonly origin: string;
  readonly sender: string;
  readonly recipient: string;
  readonly until: number;
}

export interface GreylistFilter {
  /** Exact, as in questions; absent = any. */
  readonly origin?: string;
  readonly sender?: string;
  readonly recipient?: string;
}

export interface ClientState {
  readonly client: string;
  readonly accepted: number;
  /** When the last triplet was counted. */
  readonly counted: number;
  readonly until: number;
}

export interface GreylistStore {
  /** One atomic decision per question, all in one wait; same order. Rejects when the store is down or late. */
  ask(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
  ): Promise<readonly GreylistAnswer[]>;
  /** What `ask` would answer, and nothing is written. */
  peek(
    questions: readonly GreylistQuestion[],
    times: GreylistTimes,
    now: number,
  ): Promise<readonly GreylistAnswer[]>;
  /** Live records that match, at most `limit`, in no order. */
  records(filter: GreylistFilter, limit: number, now: number): Promise<readonly GreylistRecord[]>;
  /** The white-list entry of a client, null when there is none. */
  client(client: string, now: number): Promise<ClientState | null>;
  /** From now on this sender passes to this recipient from anywhere, for `lifetime` after each mail. */
  allowPair(sender: string, recipient: string, lifetime: number, now: number): Promise<void>;
  /** Puts a client on the white-list as if it had earned it. */
  allowClient(client: string, lifetime: number, now: number): Promise<void>;
  /** Forgets matching records; how many. An empty filter forgets all records and white-listed clients. */
  clear(filter: GreylistFilter): Promise<number>;
  /** Takes a client off the white-list; true when it was on it. */
  clearClient(client: string): Promise<boolean>;
}

/** What is remembered of a triplet under one origin. */
export interface TripletState {
  readonly first: number;
  readonly last: number;
  readonly attempts: number;
  /** 0 until it was accepted. */
  readonly passed: number;
}

/** A state and when it is forgotten. */
export interface Written extends TripletState {
  readonly until: number;
}

export interface Weighed {
  readonly answer: GreylistAnswer;
  /** To be written under every origin of the question; null = nothing changes. */
  readonly write: Written | null;
}

/** The origin under which `allowPair` stands; every question asks it too, and never writes it. */
export const ANY_ORIGIN = "any";
/** Accepted triplets of a client that an operator has allowed. */
export const ALLOWED_COUNT = 1_000_000;
/** A refresh of what is remembered is written at most this often, so that steady traffic costs no writes. */
export const REFRESH_MS: number = 3_600_000;

/**
 * Decides from the live states of a triplet (one per origin that has a record). `whole` says that every origin has one, so
 * that an accepted triplet needs no write but to be refreshed.
 */
export function weigh(
  states: readonly TripletState[],
  whole: boolean,
  times: GreylistTimes,
  now: number,
): Weighed {
  if (states.length === 0) {
    const fresh = { first: now, last: now, attempts: 1, passed: 0 };
    return {
      answer: { result: "new", missing: times.delay, first: now, passed: 0, attempts: 1 },
      write: { ...fresh, until: now + times.window },
    };
  }
  // A clock that went back must not make anybody wait longer than the delay.
  const first = Math.min(now, ...states.map((state) => state.first));
  const last = Math.max(...states.map((state) => state.last));
  const attempts = Math.max(...states.map((state) => state.attempts));
  const passes = states.map((state) => state.passed).filter((passed) => passed > 0);
  if (passes.length > 0) {
    const passed = Math.min(...passes);
    const answer = { result: "passed", missing: 0, first, passed, attempts } as const;
    if (whole && now - last < REFRESH_MS) return { answer, write: null };
    return { answer, write: { first, last: now, attempts, passed, until: now + times.lifetime } };
  }
  const tries = attempts + 1;
  if (now - first >= times.delay) {
    return {
      answer: { result: "accepted", missing: 0, first, passed: now, attempts: tries },
      write: { first, last: now, attempts: tries, passed: now, until: now + times.lifetime },
    };
  }
  return {
    answer: {
      result: "early",
      missing: times.delay - (now - first),
      first,
      passed: 0,
      attempts: tries,
    },
    write: { first, last: now, attempts: tries, passed: 0, until: first + times.window },
  };
}

/** The answer for a sender or client that need not wait; what the record says of its past stays in it. */
export function spared(result: "person" | "client", answer: GreylistAnswer): GreylistAnswer {
  const unknown = answer.result === "new";
  return {
    result,
    missing: 0,
    first: unknown ? 0 : answer.first,
    passed: answer.result === "passed" ? answer.passed : 0,
    attempts: unknown ? 0 : answer.attempts,
  };
}
