// How much somebody sent in a period: messages or recipients per login, client or sender. Asked by the policy service for
// every line of limits.rules that fits.

export interface RateAnswer {
  /** Sum within the running window, this take included when it was allowed. */
  readonly count: number;
  readonly allowed: boolean;
}

export interface RateStore {
  /**
   * Adds `amount` to what `key` used, unless that would exceed `limit`: then nothing is added and `allowed` is false. A negative
   * amount gives back what was taken; with a limit of 1 a key can be claimed by one process in all, and be let go of. A window
   * of `periodMs` starts with the first take and the sum starts anew after it. A take with an `instance` that this key has
   * seen within SEEN_MS changes nothing and gives the first answer again; "" is never the same. To count messages, use the
   * MTA's instance; to count recipients, the instance with the recipient behind it. Rejects when the store is down or late.
   */
  take(
    key: string,
    instance: string,
    amount: number,
    limit: number,
    periodMs: number,
    now: number,
  ): Promise<RateAnswer>;
}

/** How long an instance is remembered: longer than any SMTP transaction. */
export const SEEN_MS: number = 3_600_000;
