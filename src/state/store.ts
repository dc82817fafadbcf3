// All that postern remembers, in one place: SQLite in state_dir by default (sqlite.ts), Redis when several hosts share it
// (redis.ts). Both keep the contract of test/contract/state.ts.
import type { FiledNotes } from "./filed.ts";
import type { GreylistStore } from "./greylist-store.ts";
import type { HandedOn } from "./handed-on.ts";
import type { KnownPeople } from "./known-people.ts";
import type { RateStore } from "./rate-store.ts";
import type { SharedNodes } from "./shared-nodes.ts";
import type { StatsStore } from "./stats-store.ts";
import type { TokenStore } from "./token-store.ts";

export interface Store {
  readonly handedOn: HandedOn;
  readonly greylist: GreylistStore;
  readonly rates: RateStore;
  readonly people: KnownPeople;
  readonly stats: StatsStore;
  readonly tokens: TokenStore;
  /** What nodes tell one another; absent where the state is this host's alone. */
  readonly nodes?: SharedNodes;
  close(): Promise<void>;
}

/** With what is this host's alone, wherever the rest is. */
export interface HostStore extends Store {
  readonly filed: FiledNotes;
}

/** How long anybody waits for the store before the mail goes on without it, in milliseconds. */
export const STORE_DEADLINE_MS = 500;
