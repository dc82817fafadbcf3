// What was counted, by hour and by day: verdicts, sums, and the most frequent senders, recipients and symbols. Written behind by
// stats-gather.ts, read by `postern stats`. Two implementations share the contract suite.

/**
 * verdict: "direction category disposition", once per cluster. sum: messages, recipients, octets, ms (from the end of DATA to the
 * reply). sender: the domain of the envelope sender. recipient: the address. symbol: as scores.rules calls it.
 */
export const STAT_KINDS = ["verdict", "sum", "sender", "recipient", "symbol"] as const;
export type StatKind = (typeof STAT_KINDS)[number];

/** Kinds whose names come from mail: what is rare among many is counted under OTHER. */
export const TOP_KINDS = ["sender", "recipient", "symbol"] as const;
export type TopKind = (typeof TOP_KINDS)[number];

/** The name under which stands what was too rare to keep. */
export const OTHER = "";

/**
 * Names that an hour or a day of one kind keeps when it has more than twice as many. Sums stay exact, no name is counted too
 * high, and a name that brings more than one message in KEPT is not lost, however many others an attacker invents.
 */
export const KEPT = 200;

export const SPANS = { hour: 3_600_000, day: 86_400_000 } as const;
export type Span = keyof typeof SPANS;

/** How long hours and days are remembered, in milliseconds. */
export const SPAN_KEPT_MS: Readonly<Record<Span, number>> = {
  hour: 15 * SPANS.day,
  day: 400 * SPANS.day,
};

/** How long an id of add() is known. */
export const FLUSH_KNOWN_MS = 600_000;

export interface StatCount {
  /** The start of the hour or day (UTC) in milliseconds. */
  readonly start: number;
  readonly kind: StatKind;
  /** At most MAX_NAME UTF-16 units, well formed. */
  readonly name: string;
  readonly count: number;
}

export const MAX_NAME = 256;

export interface StatsStore {
  /**
   * Adds counts of hours to those hours and to their days, all or nothing. An `id` that was added within FLUSH_KNOWN_MS changes
   * nothing: who got no answer may ask again. Rejects when the store is down or late.
   */
  add(id: string, counts: readonly StatCount[], now: number): Promise<void>;
  /** The counts of these kinds that start within from ≤ start < to, in no order. */
  read(
    span: Span,
    kinds: readonly StatKind[],
    from: number,
    to: number,
  ): Promise<readonly StatCount[]>;
}

/** The start of the hour or day that a moment lies in. */
export function startOf(span: Span, ms: number): number {
  return Math.floor(ms / SPANS[span]) * SPANS[span];
}
