// What nodes that share a Redis tell one another about their quarantines: an index of what each of them keeps, and requests
// that the node which has a message carries out. Kept by redis-nodes.ts; asked by held-nodes.ts and the quarantine command.

/** Who is there, and what each keeps. Texts are the caller's; at most MAX_INDEX_TEXT octets of JSON per entry. */
export interface NodeIndex {
  /**
   * Says that this process of `node` is alive. False when another installation (`instance`) uses the same name, which must
   * then leave the index alone. Rejects when the store is down or late, as all of these.
   */
  here(node: string, instance: string, now: number): Promise<boolean>;
  /** Nodes that were alive within NODE_MS, with when they were last. At most MAX_NODES. */
  nodes(now: number): Promise<readonly { readonly name: string; readonly seen: number }[]>;
  /** Puts entries, or puts them anew. Each is forgotten at `until` (milliseconds), the oldest first beyond MAX_INDEXED. */
  put(node: string, entries: readonly Indexed[], now: number): Promise<void>;
  remove(node: string, ids: readonly string[]): Promise<void>;
  /** Pages of ids, in no order; one may come twice. */
  ids(node: string): AsyncIterable<readonly string[]>;
  /** Pages of entries that are not forgotten, in no order; none comes twice. */
  entries(node: string, now: number): AsyncIterable<readonly Indexed[]>;
  /** The text of one entry, or null. */
  entry(node: string, id: string, now: number): Promise<string | null>;
}

export interface Indexed {
  readonly id: string;
  readonly until: number;
  readonly text: string;
}

/** Requests to a node: a stream with one consumer group, whose consumers are the node's processes. */
export interface NodeRequests {
  /** Asks; resolves with the number of the request. It expires after `ttlMs` unless the node has taken it by then. */
  send(node: string, text: string, ttlMs: number): Promise<string>;
  /** What the node answered, or null as yet. Answers are kept for ANSWER_MS. */
  answer(node: string, number: string): Promise<string | null>;
  /** Takes the request back; false when the node has taken it, or has answered it. */
  withdraw(node: string, number: string): Promise<boolean>;
  /**
   * The next request for this process, or null. With `abandoned` one that another process took and then left alone for so
   * many milliseconds: that process is dead, or its request was done and never answered.
   */
  next(node: string, consumer: string, abandoned: number | null): Promise<Request | null>;
  /** Says that this process is still at work on it. */
  keep(node: string, number: string, consumer: string): Promise<void>;
  /** Answers, and ends the request. */
  done(node: string, number: string, answer: string): Promise<void>;
}

export interface Request {
  readonly number: string;
  readonly text: string;
}

export interface SharedNodes {
  readonly index: NodeIndex;
  readonly requests: NodeRequests;
}

export const MAX_INDEX_TEXT: number = 8 * 1024;
/** Entries of one node in the index: 50,000 of 1 KiB are 50 MB. */
export const MAX_INDEXED: number = 50_000;
export const MAX_NODES: number = 1_000;
/** After so long without a word, a node is no longer listed: its entries have expired by then, too. */
export const NODE_MS: number = 40 * 86_400_000;
export const ANSWER_MS: number = 600_000;
/** Requests that wait for one node; more are refused. */
export const MAX_REQUESTS: number = 1_000;
