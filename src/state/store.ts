// All that postern remembers, in one place: SQLite in state_dir by default (sqlite.ts), Redis when several hosts share it
// (redis.ts). Both keep the contract of test/contract/state.ts.
import type { GreylistStore } from "./greylist-store.ts";
import type { HandedOn } from "./handed-on.ts";
import type { KnownPeople } from "./known-people.ts";
import type { RateStore } from "./rate-store.ts";

export interface Store {
  readonly handedOn: HandedOn;
  readonly greylist: GreylistStore;
  readonly rates: RateStore;
  readonly people: KnownPeople;
  close(): Promise<void>;
}

/** How long anybody waits for the store before the mail goes on without it, in milliseconds. */
export const STORE_DEADLINE_MS = 500;
